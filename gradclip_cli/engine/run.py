"""Share the selection, threads, progress and headers among all passes of one call."""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gradclip_cli.engine.executors.base import Executor, Several
from gradclip_cli.engine.executors.progress import Progress, silent
from gradclip_cli.engine.known_ties import KnownTies
from gradclip_cli.errors import located
from gradclip_cli.formats.base import Headers
from gradclip_cli.inputs.naming import LayerParam
from gradclip_cli.inputs.opened import DumpFile, OpenDump, OpenFile, reopened
from gradclip_cli.inputs.outline import Outlines
from gradclip_cli.inputs.places import places_of
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.tensors import TensorSpec

if TYPE_CHECKING:
    from gradclip_cli.engine.unit_meter import UnitMeter

Found = TypeVar("Found")

_MOST_REMEMBERED = 20_000
"""The most names that are worth the memory: reading a million of them takes longer than finding their layers."""


class Answers(Protocol):
    """What earlier calls have found by reading parts of dumps again."""

    def answer(
        self,
        sources: Sequence[DumpSource],
        selection: Selection,
        about: object,
        find: Callable[[], Found],
        make: Callable[[Any], Found],
    ) -> Found:
        """Return what is known, made of plain values, or else what `find` finds; `about` says what that depends on."""


class Run:
    """The context of one call: the user's selection, the executor, the progress callback, and the headers and ties so far.

    With `unit_axis`, the units of all tensors are measured; with `memory`, what an earlier call has read again is not read.
    """

    def __init__(
        self,
        selection: Selection,
        workers: Executor,
        progress: Progress = silent,
        *,
        keep_headers: bool = False,
        unit_axis: str | None = None,
        memory: Answers | None = None,
    ) -> None:
        self.selection, self.workers, self.progress = selection, workers, progress
        self.headers = Headers(keep_headers)
        self.ties = KnownTies() if selection.tied == "once" else None
        self.unit_axis, self._memory = unit_axis, memory
        self._outlines = Outlines()
        self._placed: tuple[Sequence[str], Sequence[LayerParam]] = ([], [])
        self._shared_by: tuple[Sequence[TensorSpec], Selection] = ((), selection)
        self._shared: dict[str, Any] = {}

    def each(self, do: Callable[["Run", DumpSource], Found], sources: Iterable[DumpSource]) -> Several[Found]:
        """Yield for each source what returns `do(run, source)`, as `Executor.several` does; threads have runs of their own."""
        if not self.workers.far:
            return self.workers.several(partial(do, self), sources)
        own, keep = threading.local(), self.headers.keep

        def done(source: DumpSource) -> Found:
            if not hasattr(own, "run"):
                own.run = Run(self.selection, self.workers, self.progress, keep_headers=keep, unit_axis=self.unit_axis)
            with located(source.location):
                return do(own.run, source)

        return self.workers.several(done, sources)

    def open(self, source: DumpSource) -> OpenDump:
        """Open a dump."""
        return OpenDump(source, self.selection, self.headers, self._outlines)

    def unit_meter(self, source: DumpSource) -> "UnitMeter | None":
        """Return what measures the units of a dump; None where no axis of them is given."""
        if self.unit_axis is None:
            return None
        # With all that measures, which lists need not wait for.
        from gradclip_cli.engine.unit_meter import UnitMeter, named_in

        @cache
        def every() -> list[str]:
            with self.open(source) as dump:
                return named_in(dump)

        several = len(source.files) > 1 and not source.layout.accumulate
        return UnitMeter(
            self.unit_axis, self.workers.work, in_pieces=source.layout.in_pieces, every=every if several else None
        )

    def read_again(
        self,
        sources: Sequence[DumpSource],
        about: object,
        find: Callable[[], Found],
        make: Callable[[Any], Found],
    ) -> Found:
        """Return what `find` finds by reading some dumps again; it is not called where the memory knows that.

        `about` says what it depends on beside the files and the selection; `make` makes it of its plain values: those that JSON
        has, where tuples are lists. Raises InputError as `find` does.
        """
        return find() if self._memory is None else self._memory.answer(sources, self.selection, about, find, make)

    def places(self, names: Sequence[str]) -> Sequence[LayerParam]:
        """Return the layer and param of each tensor of a dump; of small dumps in a row with the same names, the same list."""
        if names == self._placed[0]:
            return self._placed[1]
        found = places_of(self.selection.naming, names)
        self._placed = (names, found) if len(names) <= _MOST_REMEMBERED else ([], [])
        return found

    def shared(self, key: str, tensors: Sequence[TensorSpec], find: Callable[[], Found]) -> Found:
        """Return what follows from the tensors of a dump alone: for dumps in a row with the same list, it is found once.

        Finding the layers and the notes on the names of ten tensors takes as long as reading and measuring them.
        """
        if len(tensors) > _MOST_REMEMBERED:
            return find()
        if tensors is not self._shared_by[0] or self.selection is not self._shared_by[1]:
            self._shared_by, self._shared = (tensors, self.selection), {}
        if key not in self._shared:
            self._shared[key] = find()
        found: Found = self._shared[key]
        return found

    def reopen(self, file: DumpFile) -> AbstractContextManager[OpenFile]:
        """Open a file of a dump again; raise InputError if it has changed."""
        return reopened(file, self.selection, self.headers)
