"""Count the elements of floats of 16 and 8 bits word by word: from the few magnitudes that there are, all else follows exactly."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.bands import Band
from gradclip_cli.numerics.dtypes import DType, Raw, words_of
from gradclip_cli.numerics.exponents import BINS, Counts, bins_of
from gradclip_cli.numerics.narrow_floats import bias_of, index_of, values_of
from gradclip_cli.numerics.value_counts import Finder, Levels, PlaceOf, ValueCounts
from gradclip_cli.numerics.workspace import Workspace


class NarrowCounter:
    """Counts the words of a tensor; pieces may be added by several threads in any order."""

    def __init__(self, dtype: DType, bands: Sequence[Band], work: Workspace) -> None:
        self._dtype, self._bands, self._work = dtype, bands, work
        self._values = values_of(dtype)
        self._half = self._values.size // 2  # from here on numbers are negative
        self._words = np.zeros(self._values.size, np.int64)
        self._found, self._lock = Finder(), threading.Lock()

    def add(self, raw: Raw, place: PlaceOf) -> None:
        """Count stored elements."""
        words = words_of(raw, self._dtype)
        if self._dtype.swapped:
            words = words.byteswap()
        table = np.bincount(index_of(words, self._work), minlength=self._words.size)
        with self._lock:
            self._words += table
        present = np.flatnonzero(table)
        values = self._values[present]
        sizes = present[np.isfinite(values) & (values != 0)] % self._half
        if sizes.size:
            top, low = int(sizes.max()), int(sizes.min())
            for kind, order, word in (("largest", -top, top), ("smallest", low, low)):
                if self._found.is_better(kind, order):
                    self._found.take(kind, order, place(0, (words == word) | (words == word + self._half)))
        for kind, special in (("nan", np.isnan(values)), ("inf", np.isinf(values))):
            if special.any() and self._found.is_better(kind, 0):
                self._found.take(kind, 0, place(0, np.isin(words, present[special].astype(words.dtype))))

    def counts(self) -> ValueCounts:
        """Return the counts of all that was added."""
        half, finite = self._half, np.isfinite(self._values)
        taken = np.where(finite, self._words, 0)
        sizes, both = np.abs(self._values[:half]), taken[:half] + taken[half:]
        known = np.isfinite(sizes)
        levels = Levels(sizes[known], both[known])
        above = Levels(levels.values[1:], levels.counts[1:])  # the first is 0
        return ValueCounts(
            np.array([_binned(sizes, taken[:half]), _binned(sizes, taken[half:])]),
            np.array([_beyond(above, band) for band in self._bands], np.int64).reshape(-1, 3),
            int(above.counts[above.values < 2.0 ** (1 - bias_of(self._dtype))].sum()),
            self._found.extreme("largest", lambda word: float(sizes[word])),
            self._found.extreme("smallest", lambda word: float(sizes[word])),
            self._found.place("nan"),
            self._found.place("inf"),
            levels,
        )


def _binned(sizes: NDArray[np.float64], counts: Counts) -> Counts:
    """Return the counts of bins."""
    found, present = np.zeros(BINS, np.int64), (counts > 0) & (sizes > 0)
    np.add.at(found, bins_of(sizes[present]), counts[present])
    return found


def _beyond(above: Levels, band: Band) -> tuple[int, int, int]:
    """Count what becomes 0, is subnormal and overflows in a dtype."""
    lost, subnormal, held = (int(above.counts[above.values <= limit].sum()) for limit in band)
    return lost, subnormal - lost, int(above.counts.sum()) - held
