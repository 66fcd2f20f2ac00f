"""Write what is new of a run that goes on: a line for each dump and for each event, for people or as JSON."""

from collections.abc import Iterator, Sequence
from typing import IO

from gradclip_cli.render import json_report
from gradclip_cli.render.records import write_lines
from gradclip_cli.render.tables.grid import dump_name, figure, location
from gradclip_cli.render.tables.plain import escape_for
from gradclip_cli.render.view import View
from gradclip_cli.reports.following import Event, Explodes, NotFinite
from gradclip_cli.reports.stats import StatsDump, StatsReport
from gradclip_cli.text import plural, printable, times

_STEP, _FIGURE = 8, 10
"""The widths of columns; a longer text moves the others."""


def write(
    report: StatsReport | None, dumps: Sequence[StatsDump], events: Sequence[Event], stream: IO[str], *, first: bool
) -> None:
    """Write new dumps and events as lines of text, under a heading if they are the first."""
    found = [*_dumps(report, dumps, first=first), *map(sentence_of, events)]
    write_lines(stream, (f"{line}\n" for line in map(escape_for(stream), found)))


def write_json(
    report: StatsReport | None, dumps: Sequence[StatsDump], events: Sequence[Event], stream: IO[str], *, first: bool
) -> None:
    """Write new dumps with the keys of `--by step -f ndjson`, and events under the scope `event`, an object a line."""
    if report is not None and dumps:
        json_report.write_records(report._replace(dumps=list(dumps)), stream, View("ndjson", frozenset({"step"})))
    write_lines(stream, (json_report.encode_row(event) + "\n" for event in events), r"\u2026")


def _dumps(report: StatsReport | None, dumps: Sequence[StatsDump], *, first: bool) -> Iterator[str]:
    beside = report is not None and report.beside is not None
    heads = ["norm", "max |g|", *(["|g|/|w|"] if beside else [])]
    heads += ["update"] if report is not None and report.lr is not None else []
    if first and dumps:
        yield _line("step", heads, "input")
    for dump in dumps:
        peak = "" if dump.max_abs is None else figure(dump.max_abs)
        figures = [figure(dump.norm), peak, figure(dump.ratio), figure(dump.update_ratio)][: len(heads)]
        yield _line(dump_name(dump.step, dump.name, dump.input, word=""), figures, location(dump.input))


def _line(step: str, figures: Sequence[str], last: str) -> str:
    return "  ".join([f"{step:>{_STEP}}", *(f"{one:>{_FIGURE}}" for one in figures), last])


def sentence_of(event: Event) -> str:
    """Say in a line what has happened."""
    if isinstance(event, Explodes):
        return f"! {_where(event)} explodes: norm {figure(event.norm)}, {times(event.times)} its neighbours"
    if isinstance(event, NotFinite):
        count = f": {plural(event.nonfinite, 'element')}" if event.nonfinite is not None else ""
        first = f", first in {printable(event.tensor)}" if event.tensor is not None else ""
        return f"! {_where(event)} is not finite{count}{first}"
    rule = f"{event.rule}, " if event.rule else ""
    was = f"; it was {event.before:.4g}" if event.before is not None else ""
    return f"threshold for {event.strategy}: {event.threshold:.4g} ({rule}{plural(event.dumps, 'dump')}{was})"


def _where(event: Explodes | NotFinite) -> str:
    return location(event.input) if event.step is None else f"step {event.step}"
