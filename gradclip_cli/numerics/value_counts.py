"""Describe the elements of a tensor by magnitude and sign: how many there are in which bin, and where the extremes are."""

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.exponents import Counts

Place = tuple[int, ...]
"""The index of an element along each axis."""

Marks = NDArray[np.bool_]

PlaceOf = Callable[[int, Marks], Place]
"""Returns the place of the first marked element in row-major order; the marks begin at this element of a piece."""


class Located(NamedTuple):
    """A magnitude of an element, as stored, and where it is."""

    value: float
    place: Place


class Levels(NamedTuple):
    """All magnitudes that a dtype has, ascending, and how many elements have each."""

    values: NDArray[np.float64]
    counts: Counts


class ValueCounts(NamedTuple):
    """The elements of a tensor, as stored: `bins` (positive and negative, bins) and `bands` (dtypes, 3) count them.

    A row of `bands` holds those that become 0, that are subnormal and that overflow in a dtype, `subnormal` those that are so
    in their own. `levels` is None where the dtype has too many.
    """

    bins: Counts
    bands: Counts
    subnormal: int
    largest: Located | None
    smallest: Located | None
    nan_at: Place | None
    inf_at: Place | None
    levels: Levels | None = None


class Counter(Protocol):
    """Counts the elements of one tensor, or of one of its pieces; pieces may be added by several threads in any order."""

    def add(self, raw: Raw, place: PlaceOf) -> None:
        """Count stored elements."""

    def counts(self) -> ValueCounts:
        """Return the counts of all that was added."""


class Finder:
    """Keeps the places of the largest and the smallest magnitude above 0, and of the first NaN and infinity."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[int, Place]] = {}
        self._lock = threading.Lock()

    def is_better(self, kind: str, order: int) -> bool:
        """Whether an element with this order may come before the one that is known."""
        known = self._keys.get(kind)
        return known is None or order <= known[0]

    def take(self, kind: str, order: int, place: Place) -> None:
        """Keep the element with the lowest order; among equals the one that comes first."""
        with self._lock:
            self._keys[kind] = min(self._keys.get(kind, (order, place)), (order, place))

    def extreme(self, kind: str, value_of: Callable[[int], float]) -> Located | None:
        """Return an extreme, whose order is its bits or minus these."""
        key = self._keys.get(kind)
        return None if key is None else Located(value_of(abs(key[0])), key[1])

    def place(self, kind: str) -> Place | None:
        """Return where the first element of a kind is."""
        return self._keys[kind][1] if kind in self._keys else None
