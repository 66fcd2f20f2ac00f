"""Write reports to standard output, and notes to standard error."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import click

from gradclip_cli import render
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from gradclip_cli.storage.stdio import discard
from gradclip_cli.text import one_line, plural


def show(report: Report, view: View, err: bool = False) -> None:
    """Write notes to standard error, and the report to standard output or, with `err`, to standard error too."""
    warn(report.notes)
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


def warn(notes: Sequence[str]) -> None:
    """Write each note as one line to standard error."""
    for note in notes:
        click.echo(f"Warning: {one_line(note)}", err=True)


def refuse_left_out(failed: Sequence[GradclipError], dumps: int) -> None:
    """Raise InputError where `--keep-going` has left out dumps, so that the report does not cover all of them."""
    if failed:
        raise InputError(f"{len(failed)} of {plural(dumps, 'dump')} left out; the first: {failed[0]}")
