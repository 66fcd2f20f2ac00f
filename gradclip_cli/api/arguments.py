"""What the public functions take, and how it is read: paths, strategies, and whoever is told of progress."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from gradclip_cli.engine.run import silent
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.strategies import Strategy, find

Path = str | os.PathLike[str]
Paths = Path | Iterable[Path]


@runtime_checkable
class Progress(Protocol):
    """What is told how far a call has come."""

    def start(self, dumps: int, files: Iterable[str], passes: int) -> None:
        """Take note of how many dumps are about to be read, of which files, and of how often each is read."""

    def advance(self, count: int, path: str) -> None:
        """Take note of `count` more bytes of a file; called from any thread."""


def begin(progress: Progress | None, dumps: Sequence[DumpSource], passes: int) -> Callable[[int, str], None]:
    """Tell of the files that are about to be read, and return what is told of bytes that are."""
    if progress is None:
        return silent
    progress.start(len(dumps), (file for dump in dumps for file in dump.files), passes)
    return progress.advance


def paths_of(inputs: Paths) -> list[str]:
    """Return paths as texts."""
    return [os.fspath(path) for path in ([inputs] if isinstance(inputs, str | os.PathLike) else inputs)]


def strategy_of(given: str | Strategy) -> Strategy:
    """Return a strategy that is given by itself or by name."""
    return find(given) if isinstance(given, str) else given
