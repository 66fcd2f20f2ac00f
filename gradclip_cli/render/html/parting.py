"""Say how two runs differ: since which step and in which blocks, in the words of `diff`, and why there is no map of their ratio."""

from collections.abc import Iterator, Sequence
from os.path import basename

from gradclip_cli.render.html.ratio import without_ratio
from gradclip_cli.render.screens import diff_runs
from gradclip_cli.render.screens.stats_findings import block_ranges
from gradclip_cli.render.tables.grid import layer_name
from gradclip_cli.reports.diff import DiffLogs
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import plural, printable, sentence, shortlist

_MOST = 5
"""The most blocks that are named."""


def other_name(report: RunReport) -> str:
    """Name the other run: by the last part of its path, unless that of both runs is the same; empty where there is none."""
    if report.against is None:
        return ""
    own, other = (one.inputs[0].rstrip("/") if one.inputs else "" for one in (report.stats, report.against))
    same = basename(own) == basename(other)
    return printable(other if same else basename(other)) or "the other run"


def parting(report: RunReport) -> Iterator[tuple[str, str]]:
    """Yield how a run differs from the other one, if there is one, as first words and the rest of a sentence."""
    if report.parted is None:
        return
    diff, head = report.parted.diff, f"Against {other_name(report)}:"
    if diff is None:
        yield head, sentence(printable(report.parted.why))
        return
    rounded = report.against is not None and report.against.source != report.stats.source and not diff.equal
    why = without_ratio(report)
    told = [
        _differs(report, diff),
        "A log rounds norms" if rounded else "",
        why and f"There is no map of ratios: {why}",
    ]
    yield head, " ".join(map(sentence, filter(None, told)))


def _differs(report: RunReport, diff: DiffLogs) -> str:
    both = [step for step in diff.steps or [] if step.input_a is not None and step.input_b is not None]
    if diff.first is None:
        return f"{plural(len(both), 'step')} in both, and the norms are the same"
    told = ", ".join(diff_runs.answer(diff, both))
    names = [name for name in diff.first.params if name != diff.column]
    where = f"; first in {_listed(report, names)}" if names else ""
    return f"{told}{where}"


def _listed(report: RunReport, names: Sequence[str]) -> str:
    return shortlist([layer_name(name, report.stats.labels) for name in block_ranges([*names])], _MOST)
