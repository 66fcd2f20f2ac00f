"""Where reports, notes and progress go."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import click

from gradclip_cli import render
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.storage.stdio import silence
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import one_line

if TYPE_CHECKING:
    from gradclip_cli.render.view import View
    from gradclip_cli.reports import Report


def show(report: "Report", view: "View", err: bool = False) -> None:
    """Write notes to standard error and the report to standard output, or with `err` to standard error too."""
    warn(report.notes)
    if err:
        render.write(report, sys.stderr, view)
        return
    with standard_output() as stream:
        render.write(report, stream, view)


@contextmanager
def standard_output() -> Iterator[IO[str]]:
    """Yield standard output; where its reader leaves, as `head` does, the rest is not written, and the run goes on."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        silence(1)


def warn(notes: Sequence[str]) -> None:
    """Write one line a note to standard error."""
    for note in notes:
        click.echo(f"Warning: {one_line(note)}", err=True)


@contextmanager
def progress(inputs: Sequence[DumpSource], passes: int, quiet: bool) -> Iterator[Callable[[int, str], None]]:
    """Show how far work has come once it takes long, where standard error is a terminal; yield what is to be told of it."""
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda count, path: None
        return
    from gradclip_cli.cli.progress import Bar

    sizes = {file: passes * _size(file) for source in inputs for file in source.files}
    with Bar(sizes, color=not click.get_current_context().params.get("no_color")) as bar:
        yield bar.tell


def _size(path: str) -> int:
    with suppress(OSError):
        return os.fstat(0).st_size if path == STANDARD else os.path.getsize(path)
    return 0
