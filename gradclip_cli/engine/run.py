"""What all readings of one call share."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from gradclip_cli.engine.executors import Executor
from gradclip_cli.formats.headers import Headers
from gradclip_cli.inputs.opened import DumpFile, OpenDump, OpenFile, reopened
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource

Progress = Callable[[int, str], None]
"""What is told of bytes that are done, and of the file that they are of."""


def silent(_: int, path: str) -> None:
    """Show no progress."""


class Run:
    """What a user says about inputs, the threads that work, who is told of it, and the headers that are known already."""

    def __init__(
        self, selection: Selection, workers: Executor, progress: Progress = silent, *, keep_headers: bool = False
    ) -> None:
        self.selection, self.workers, self.progress = selection, workers, progress
        self.headers = Headers(keep_headers)

    def open(self, source: DumpSource) -> OpenDump:
        """Open a dump."""
        return OpenDump(source, self.selection, self.headers)

    def reopen(self, file: DumpFile) -> AbstractContextManager[OpenFile]:
        """Open a file of a dump again; raise InputError where it has changed."""
        return reopened(file, self.selection, self.headers)
