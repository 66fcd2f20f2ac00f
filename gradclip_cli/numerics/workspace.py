"""Keep the arrays that a run fills again and again, so that no piece needs new memory."""

import threading
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


class Buffer:
    """Memory of one thread for one purpose; it grows to the largest array that was taken."""

    __slots__ = ("_memory", "_views")

    def __init__(self) -> None:
        self._memory = np.empty(0, np.float64)
        self._views: dict[type[np.generic], NDArray[Any]] = {}

    def take(self, count: int, dtype: type[T]) -> NDArray[T]:
        """Return an uninitialised array of `count` elements of at most 8 bytes; arrays taken before become invalid."""
        view = self._views.get(dtype)
        if view is None or view.size < count:
            view = self._view(count, dtype)
        return view[:count]

    def _view(self, count: int, dtype: type[T]) -> NDArray[T]:
        """Return the memory as elements of a type; allocate more if there is too little."""
        nbytes = count * np.dtype(dtype).itemsize
        if self._memory.nbytes < nbytes:
            self._memory, self._views = np.empty(-(-nbytes // 8), np.float64), {}
        view: NDArray[T] = self._memory.view(dtype)
        self._views[dtype] = view
        return view


class Workspace(threading.local):
    """The arrays of a run by purpose; each thread has its own.

    A run makes one workspace and hands it down, so that all memory is freed when the run is over. An array is valid until the
    next one is taken from the same field; a function that returns such an array names the field. A pickled workspace is
    empty, since another process has memory of its own.
    """

    buffer: type[Buffer] = Buffer

    def __init__(self) -> None:
        new = self.buffer
        # Stored elements as they were read, valid while a piece is processed. What is computed of them is of a chunk at a time,
        # except by `decode` for who asks for a whole piece.
        self.raw = new()
        self.raw_b = new()  # those of the second tensor of a comparison, or in another dtype
        # Column-major tensors: elements for a temporary file, and a run of one column.
        self.columns = new()
        self.run = new()
        # What `decode` returns, valid until the next piece is decoded.
        self.decoded = new()
        # Elements in float64, which are changed before they are rounded to another dtype.
        self.wide = new()
        # Rounding to a narrow float: the float64 numbers rounded to odd, the float32 numbers, and what is computed from their
        # bits. All are in use at once.
        self.odd_bits = new()
        self.single = new()
        self.sign = new()
        self.odd = new()
        self.fixed_point = new()
        # Measuring and limiting: stored words without a sign, the numbers without a sign, these scaled by a power of two, and
        # limited to c (or words: what is above the limit), and the terms of sums. All are in use at once.
        self.unsigned = new()
        self.magnitudes = new()
        self.scaled = new()
        self.limited = new()
        self.terms = new()
        self.normal = self.terms  # inside `magnitudes`, before there are terms
        # Comparing: the numbers of both tensors, their imaginary parts, b in the units of a, their difference, and |b|. All are
        # in use at once.
        self.numbers_a = new()
        self.numbers_b = new()
        self.imaginary_a = new()
        self.imaginary_b = new()
        self.rescaled = new()
        self.distance = new()
        self.size_b = new()
        # Complex numbers: the parts of elements, their larger part, their squares or moduli, and the squares of one part.
        self.real = new()
        self.imaginary = new()
        self.larger = new()
        self.squares = new()
        self.part_squares = new()
        # Counting elements by their bits: these without a sign, and shifted or less 1. Both are in use at once.
        self.unsigned_bits = new()
        self.shifted = new()
        # These share one memory, which stays in the cache of the processor: no two may be in use at once. The widened
        # elements come last, and are valid while they are scaled or summed.
        shared = new()
        self.is_zero = shared  # until it is counted
        self.table_index = shared  # until the table is looked up
        self.widened = shared  # what `widen` returns

    def __reduce__(self) -> tuple[type["Workspace"], tuple[()]]:
        return type(self), ()
