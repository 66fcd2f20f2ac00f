"""Write reports to standard output, and notes to standard error."""

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import IO, TYPE_CHECKING

import click

from gradclip_cli import render
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.notes import lines
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from gradclip_cli.storage.stdio import discard
from gradclip_cli.text import one_line, plural

if TYPE_CHECKING:
    from gradclip_cli.reports.stats import StatsReport

_LEAST, _USUAL = 40, 80
"""The least width that notes are folded to, and the width of a terminal that does not tell it."""


def show(
    report: Report, view: View, err: bool = False, quiet: bool = False, shown: Collection[str] = frozenset()
) -> None:
    """Write notes to standard error, and the report to standard output or, with `err`, to standard error too.

    With `quiet`, leave out the notes that do not change the meaning of figures. Kinds in `shown` are in the report itself.
    """
    show_notes(report, quiet, shown)
    if err:
        render.write(report, sys.stderr, view)
        return
    with standard_output() as stream:
        render.write(report, stream, view)


@contextmanager
def standard_output() -> Iterator[IO[str]]:
    """Yield standard output; where its reader closes it, as `head` does, discard the rest and go on."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        discard(1)


def show_notes(report: Report, quiet: bool = False, shown: Collection[str] = frozenset()) -> None:
    """Write the notes of a report to standard error; with `quiet`, only those that change the meaning of figures."""
    warn(lines([note for note in report.notes if note.kind not in shown], quiet))


def warn_of_cached(report: "StatsReport | None", of: str = "") -> None:
    """Note how many of the dumps of a report were not read again, if any were not."""
    if report is not None and report.cached:
        warn([f"{report.cached:,} of {plural(len(report.dumps), 'dump')}{of} not read again (--cache)"])


def warn(texts: Sequence[str]) -> None:
    """Write each text as one line to standard error; a terminal gets it folded to its width."""
    for text in texts:
        note = f"note: {one_line(text)}"
        click.echo("\n".join(_folded(note)) if sys.stderr.isatty() else note, err=True)


def _folded(note: str) -> list[str]:
    width = max(_LEAST, _width())
    return wrap(note, width, subsequent_indent=" " * 4, break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    """Return the width of the terminal that standard error is, which need not be that of standard output."""
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL
    except (ValueError, OSError):
        return _USUAL


def refuse_left_out(failed: Sequence[GradclipError], dumps: int) -> None:
    """Raise InputError where `--keep-going` has left out dumps, so that the report does not cover all of them."""
    if failed:
        raise InputError(f"{len(failed)} of {plural(dumps, 'dump')} left out; the first: {failed[0]}")
