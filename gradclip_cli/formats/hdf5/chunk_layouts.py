"""Ask for the layouts of datasets many at a time: to ask for each by itself takes longer than to read it."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.chunks import Packing
from gradclip_cli.formats.hdf5.walker import ChunkLayout, Dataset, Walker

_MOST = 1024
"""The most layouts that are asked for at once."""
_MOST_AHEAD = 8 * _MOST
"""The most that are kept: of datasets that nobody reads after all, they would pile up."""


class ChunkLayouts:
    """The layouts of the datasets of a file that have chunks, asked for ahead of their use. Several threads may ask.

    Who reads datasets one after the other soon gets them by the thousand; who reads one gets that alone.
    """

    def __init__(self, walker: Walker, datasets: Mapping[str, Dataset]) -> None:
        self._walker, self._datasets = walker, datasets
        self._lock = threading.Lock()
        self._ahead: dict[str, ChunkLayout] = {}
        self._packings: dict[str, Packing | None] = {}
        self._known: dict[Packing | None, Packing | None] = {}  # equal ones are one object
        self._next, self._step = 0, 1

    def of(self, name: str) -> ChunkLayout:
        """Return the layout of a dataset; raise InputError if it cannot be read."""
        with self._lock:
            if name not in self._ahead:
                names = self._following(name)
                if not self._ask(names):
                    self._ask(names[:1])
            return self._ahead.pop(name)

    def several(self, names: Sequence[str]) -> dict[str, ChunkLayout]:
        """Return the layouts of several datasets; leave out one that cannot be read, and those after it, rather than raise."""
        with self._lock:
            found = {name: self._ahead.pop(name) for name in names if name in self._ahead}
            rest = [name for name in names if name not in found]
            with suppress(InputError):  # it comes again where that dataset is read by itself
                while rest and (count := self._ask(rest)):
                    found |= {name: self._ahead.pop(name) for name in rest[:count]}
                    rest = rest[count:]
            return found

    def packing(self, name: str) -> Packing | None:
        """Return how a dataset is packed, which is known once it has been read."""
        if name not in self._packings:
            self.of(name)
        return self._packings[name]

    def _ask(self, names: Sequence[str]) -> int:
        """Ask for layouts, and return how many came."""
        found = self._walker.layouts(names)
        if len(self._ahead) > _MOST_AHEAD:
            self._ahead.clear()
        for name, layout in zip(names, found, strict=False):
            self._ahead[name] = layout
            self._packings[name] = self._known.setdefault(layout.packing, layout.packing)
        return len(found)

    def _following(self, name: str) -> list[str]:
        """Return the dataset and those after it: twice as many as last time if it follows what was asked for then."""
        at = self._places[name]
        self._step = min(2 * self._step, _MOST) if self._next <= at < self._next + self._step else 1
        found = self._names[at : at + self._step]
        self._next = at + len(found)
        return [name for name in found if name not in self._ahead]

    @cached_property
    def _names(self) -> list[str]:
        return [name for name, dataset in self._datasets.items() if dataset.chunk is not None]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self._names)}
