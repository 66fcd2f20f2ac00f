"""Ask for the layouts of datasets many at a time: to ask for each by itself takes longer than to read it."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.chunks import Packing
from gradclip_cli.formats.hdf5.walker import ChunkLayout, Dataset, Walker

_MOST = 1024
"""The most layouts that are asked for at once."""
_LEAST_REMOTE = 16
"""The least of a remote file: what describes them is fetched side by side."""
_ANNOUNCED, _MOST_EARLY = 8, 4 << 20
"""How many of the next datasets of a remote file are fetched before they are needed, and how many bytes of each."""
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
        self._next = 0
        self._wanted, self._turns = list[str](), dict[str, int]()
        self._announced = set[str]()  # datasets of which the first chunks are read, or fetched
        self._least = self._step = _LEAST_REMOTE if walker.file.fd is None else 1

    def will_read(self, names: Sequence[str]) -> None:
        """Say which datasets of a remote file are read next, in this order, so that chunks are fetched before they are needed."""
        with self._lock:
            self._wanted = [name for name in names if name in self._places]
            self._turns, self._announced = {name: turn for turn, name in enumerate(self._wanted)}, set()

    def of(self, name: str) -> ChunkLayout:
        """Return the layout of a dataset; raise InputError if it cannot be read."""
        with self._lock:
            if name not in self._ahead:
                names = self._following(name)
                if not self._ask(names):
                    self._ask(names[:1])
            found = self._ahead.pop(name)
            if name in self._turns:
                self._announce(name)
            return found

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

    def _announce(self, begun: str) -> None:
        """Tell the file where the first chunks of the next datasets are, as far as their layouts have been asked for."""
        self._announced.add(begun)
        first = self._turns[begun] + 1
        for name in self._wanted[first : first + _ANNOUNCED]:
            layout = self._ahead.get(name)
            if layout is None or name in self._announced:
                continue
            self._announced.add(name)
            _, starts, sizes, _ = layout.rows.T
            early = (sizes > 0) & (starts >= 0) & (np.cumsum(sizes) <= _MOST_EARLY)
            self._walker.file.expect(list(zip(starts[early].tolist(), sizes[early].tolist(), strict=True)), more=True)

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
        follows = self._next <= at < self._next + self._step
        self._step = min(2 * self._step, _MOST) if follows else self._least
        found = self._names[at : at + self._step]
        self._next = at + len(found)
        return [name for name in found if name not in self._ahead]

    @cached_property
    def _names(self) -> list[str]:
        return [name for name, dataset in self._datasets.items() if dataset.chunk is not None]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self._names)}
