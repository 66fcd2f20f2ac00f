"""Find the slices of a tensor that are zero in a piece of it, reading no more than the piece's statistics make necessary."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Raw, words_of
from gradclip_cli.numerics.narrow_floats import FNUZ

_SAMPLES = 16
"""How many elements of a slice are looked at before the others: a line of the cache, in which hardly any slice is all 0."""

_AT_ONCE = 1 << 16
"""The bytes of rows that are copied at once: few enough to stay in the cache of a core."""


class ZeroParts(NamedTuple):
    """Slices that are zero as far as they are in a piece: their numbers, and how many elements of each are in it."""

    slices: NDArray[np.int64]
    elements: NDArray[np.int64]


def zero_rows(raw: Raw, dtype: DType, start: int, width: int, zeros: int) -> Iterator[ZeroParts]:
    """Yield the slices of `width` elements that are zero in a piece with so many zeros, from element `start` on."""
    size, words, mask, each = raw.size // dtype.itemsize, *_words(raw, dtype)
    head = min(size, -start % width)
    full = (size - head) // width
    stop, first = head + full * width, (start + head) // width
    for a, b, number in ((0, head, start // width), (stop, size, first + full)):
        if a < b and zeros >= b - a and not (np.bitwise_or.reduce(words[a * each : b * each]) & mask):
            yield ZeroParts(np.array([number]), np.array([b - a]))
    if full and zeros >= width:
        rows = words[head * each : stop * each].reshape(full, width * each)
        found = _zero(rows, mask) if zeros < size else np.arange(full)
        yield ZeroParts(first + found, np.full(found.size, width))


def zero_columns(raw: Raw, dtype: DType, start: int, count: int, zeros: int) -> Iterator[ZeroParts]:
    """Yield the slices that are zero in a piece of a column-major tensor of `count` slices, whose elements take turns."""
    words, mask, each = _words(raw, dtype)
    size = words.size // each
    if zeros < max(1, size // count):
        return
    before = start % count
    turns = -(-(before + size) // count)
    other = np.zeros(turns * count, np.bool_)
    other[before : before + size] = ((words.reshape(size, each) & mask) != 0).any(axis=1)
    numbers = np.arange(count)
    elements = (start + size - 1 - numbers) // count - (start - 1 - numbers) // count
    found = np.flatnonzero(~other.reshape(turns, count).any(axis=0) & (elements > 0))
    yield ZeroParts(found, elements[found])


def _words(raw: Raw, dtype: DType) -> tuple[NDArray[Any], Any, int]:
    """Return stored words, a mask of the bits that are not the sign, and the number of words of an element."""
    part = dtype.part
    words = words_of(raw, part)
    bits = np.array((1 << (8 * part.itemsize)) - 1 if part.variant == FNUZ else (1 << (8 * part.itemsize - 1)) - 1)
    mask = bits.astype(words.dtype)
    return words, mask.byteswap() if part.swapped else mask, 2 if dtype.is_complex else 1


def _zero(rows: NDArray[Any], mask: Any) -> NDArray[np.int64]:
    """Return which rows are zero: those that are zero at their start and in the middle, and then everywhere."""
    middle = rows.shape[1] // 2
    left = np.flatnonzero(_are_zero(rows[:, :_SAMPLES], mask))
    left = left[_are_zero(rows[left, middle : middle + _SAMPLES], mask)]
    step = max(1, _AT_ONCE // max(1, rows[0].nbytes))
    parts = [left[k : k + step] for k in range(0, left.size, step)]
    return np.concatenate([part[_are_zero(rows[part], mask)] for part in parts] or [left])


def _are_zero(rows: NDArray[Any], mask: Any) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (np.bitwise_or.reduce(rows, axis=1) & mask) == 0
    return found
