"""The arrays that a run fills again and again, so that no piece pays for fresh memory."""

import threading
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


class Buffer:
    """Memory of one thread for one purpose; it grows to the largest array that was asked for."""

    __slots__ = ("_memory", "_views")

    def __init__(self) -> None:
        self._memory = np.empty(0, np.float64)
        self._views: dict[type[np.generic], NDArray[Any]] = {}

    def take(self, count: int, dtype: type[T]) -> NDArray[T]:
        """Return `count` elements of at most 8 bytes, not initialised; this ends the life of what was taken before."""
        view = self._views.get(dtype)
        if view is None or view.size < count:
            view = self._view(count, dtype)
        return view[:count]

    def _view(self, count: int, dtype: type[T]) -> NDArray[T]:
        """View the memory as elements of a type, in new memory where there is too little."""
        nbytes = count * np.dtype(dtype).itemsize
        if self._memory.nbytes < nbytes:
            self._memory, self._views = np.empty(-(-nbytes // 8), np.float64), {}
        view: NDArray[T] = self._memory.view(dtype)
        self._views[dtype] = view
        return view


class Workspace(threading.local):
    """The arrays of a run by purpose; every thread that uses it sees arrays of its own.

    It is made once for each run and handed down, so that all of its memory goes when the run is over. An array is valid until
    the next one is taken from the same field; a function that returns such an array names the field. Pickling one gives an
    empty one, since another process has memory of its own.
    """

    buffer: type[Buffer] = Buffer

    def __init__(self) -> None:
        new = self.buffer
        # Stored elements as they were read, alive while a piece is worked on.
        self.raw = new()
        self.raw_b = new()  # those of the second tensor of a comparison
        # Column-major tensors: what goes to a temporary file, and a run of one column.
        self.columns = new()
        self.run = new()
        # What `decode` returns, alive until the next piece is decoded.
        self.decoded = new()
        # Rounding to a narrow float: the float32 numbers, and what is computed from their bits. All are alive together.
        self.single = new()
        self.sign = new()
        self.odd = new()
        self.fixed_point = new()
        # Measuring: the numbers without a sign, elements limited to ±c, and the terms of sums. All are alive together.
        self.magnitudes = new()
        self.limited = new()
        self.terms = new()
        # Comparing: the numbers of both tensors, their distance, and |b|. All are alive together.
        self.numbers_a = new()
        self.numbers_b = new()
        self.distance = new()
        self.size_b = new()
        # Counting what leaves the range of a dtype: stored bits without a sign.
        self.unsigned_bits = new()
        # One memory for what is needed one after the other: it then stays in the processor's cache. No two of these may be
        # alive together. The widened elements come last, and live while they are scaled, or summed.
        shared = new()
        self.unsigned = shared  # stored words without a sign, until `magnitudes` has copied them
        self.normal = shared  # inside `magnitudes`, after that copy
        self.is_zero = shared  # until it is counted
        self.table_index = shared  # until the table is looked up
        self.widened = shared  # what `widen` returns

    def __reduce__(self) -> tuple[type["Workspace"], tuple[()]]:
        return type(self), ()
