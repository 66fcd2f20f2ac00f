"""Right counts of the elements of an array, by plain numpy in float64."""

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from support.tensors import raw_of

from gradclip_cli.numerics.bands import TARGETS, band_of
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.exponents import BINS, edge
from gradclip_cli.numerics.narrow_counts import NarrowCounter
from gradclip_cli.numerics.value_counts import Counter, Place, ValueCounts
from gradclip_cli.numerics.wide_counts import WideCounter
from gradclip_cli.numerics.workspace import Workspace

BANDS = [band_of(dtype) for dtype in TARGETS]
CASTS: tuple[Any, ...] = (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
LEAST = (2.0**-14, 2.0**-126, 2.0**-6, 2.0**-14)
"""The smallest normal numbers of these."""

EDGES = np.array([edge(k) for k in range(BINS)])


def place(at: int, marks: NDArray[np.bool_]) -> Place:
    """Return the index of the first mark in an array of one axis."""
    return (at + int(marks.argmax()),)


def count(array: NDArray[Any], dtype: DType) -> ValueCounts:
    """Count the elements of an array in one piece."""
    counter = counter_of(dtype)
    counter.add(raw_of(array), place)
    return counter.counts()


def counter_of(dtype: DType) -> Counter:
    """Return a new counter for a dtype."""
    return (NarrowCounter if dtype.narrow else WideCounter)(dtype, BANDS, Workspace())


class Right(NamedTuple):
    """What numpy counts in the finite elements of an array."""

    bins: NDArray[np.int64]
    bands: list[list[int]]
    finite: NDArray[np.float64]
    sizes: NDArray[np.float64]


def right(array: NDArray[Any]) -> Right:
    """Count the elements of a real array by sorting them between edges, and by the casts of the official library."""
    values = array.astype(np.float64).reshape(-1)
    finite = values[np.isfinite(values)]
    bins = np.zeros((2, BINS), np.int64)
    for row, some in enumerate((finite[finite > 0], -finite[finite < 0])):
        np.add.at(bins[row], np.searchsorted(EDGES, some, side="right") - 1, 1)
    bands = []
    for kind, least in zip(CASTS, LEAST, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            cast = finite.astype(kind).astype(np.float64)
        small = (np.abs(cast) < least) & (cast != 0)
        lost = (cast == 0) & (finite != 0)
        bands.append([int(lost.sum()), int(small.sum()), int((~np.isfinite(cast)).sum())])
    return Right(bins, bands, finite, np.abs(finite))


def spread(size: int, dtype: Any, seed: int = 1, low: float = -46, high: float = 6) -> NDArray[Any]:
    """Return numbers of all magnitudes between two powers of ten, zeros of either sign, NaN and infinities."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(size) * 10.0 ** rng.uniform(low, high, size)
    values[:6] = [0.0, -0.0, 2.0**-25, 2.0**-24, 65520, 464]
    values[-3:] = [np.nan, np.inf, -np.inf]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return rng.permutation(values).astype(np.float32).astype(dtype)
