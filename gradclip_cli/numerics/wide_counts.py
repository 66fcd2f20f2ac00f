"""Count the elements of float32, float64 and complex tensors by the exponent and the first bits of the mantissa.

Limits of narrower dtypes that lie inside a bin are counted by all bits. Complex numbers count by their moduli, and leave the range
of a dtype by the larger of their parts, since both would be stored.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import moduli
from gradclip_cli.numerics.bands import Band, last_word
from gradclip_cli.numerics.dtypes import FLOAT64, DType, Raw, words_of
from gradclip_cli.numerics.exponents import BINS, PER_OCTAVE, Counts, bins_of, first_bin
from gradclip_cli.numerics.value_counts import Finder, PlaceOf, ValueCounts
from gradclip_cli.numerics.workspace import Workspace

Words = NDArray[Any]  # unsigned integers

_MANTISSA = {4: 23, 8: 52}
"""The bits of the mantissa of a float by its size in bytes."""

_AT_ONCE = 1 << 17
"""The number of elements whose codes are counted at a time."""

_PART_BITS = PER_OCTAVE.bit_length() - 1
"""The bits of the mantissa that tell the bins of an octave apart."""


class _Bits(NamedTuple):
    """How a float is stored; a code is its sign, its exponent, and the first bits of its mantissa.

    `mask` takes the sign away, `shift` all that a code lacks. There are `codes` of either sign, those from `special` on are not
    finite. `infinite` are the bits of infinity, `least` and `unit` the exponents of the smallest normal number and of the smallest.
    """

    mask: int
    shift: int
    codes: int
    special: int
    infinite: int
    least: int
    unit: int


@cache
def _bits_of(dtype: DType) -> _Bits:
    info, bits = np.finfo(dtype.name), 8 * dtype.itemsize
    mantissa, least = int(info.nmant), int(info.minexp)
    shift = mantissa - _PART_BITS
    infinite = ((1 << (bits - 1 - mantissa)) - 1) << mantissa
    return _Bits(
        (1 << (bits - 1)) - 1, shift, 1 << (bits - 1 - shift), infinite >> shift, infinite, least, least - mantissa
    )


@dataclass(frozen=True)
class _Sizes:
    """The bits of elements, of which the sign is ignored and none is NaN or infinite, how many are 0, and the counts of their codes.

    `codes` is None if they are not known.
    """

    words: Words
    zeros: int
    codes: Counts | None
    bits: _Bits
    work: Workspace

    def at_most(self, words: Sequence[int]) -> list[int]:
        """Count the magnitudes whose bits are at most each of `words`: from the codes, if none is in the bin that a limit divides."""
        if self.codes is None:
            return self._counted({}, dict(enumerate(words)), [0] * len(words))
        below, last, whole = np.cumsum(self.codes), 1 << self.bits.shift, dict[int, int]()
        found, powers = [], dict[int, int]()
        for k, word in enumerate(words):
            code, rest = divmod(word + 1, last)
            divided = rest > 0 and self.codes[code] > 0
            if divided and rest == 1 and code % PER_OCTAVE == 0:
                powers[k] = word  # the power of two with which the bin begins
            elif divided:
                whole[k] = word
            found.append(0 if k in whole else int(below[code] - self.codes[code]))
        return self._counted(powers, whole, found) if powers or whole else found

    def _counted(self, powers: Mapping[int, int], whole: Mapping[int, int], found: list[int]) -> list[int]:
        """Add the magnitudes that are one of `powers`, or at most one of `whole`, to the counts in these places."""
        for start in range(0, self.words.size, _AT_ONCE):
            part = self.words[start : start + _AT_ONCE]
            kind = part.dtype.type
            size = np.bitwise_and(part, self.bits.mask, out=self.work.unsigned_bits.take(part.size, kind))
            marks = self.work.is_zero.take(part.size, np.bool_)
            for k, word in whole.items():
                found[k] += int(np.count_nonzero(np.less_equal(size, word, out=marks)))
            if powers and self._has_powers(size):
                for k, word in powers.items():
                    found[k] += int(np.count_nonzero(np.equal(size, word, out=marks)))
        return found

    def _has_powers(self, size: Words) -> bool:
        """Return whether any magnitude is a power of two or 0."""
        kind = size.dtype.type
        rest = self.work.shifted.take(size.size, kind)
        return not np.left_shift(size, kind(8 * size.itemsize - _MANTISSA[size.itemsize]), out=rest).min()


class WideCounter:
    """Counts the elements of a tensor; pieces may be added by several threads in any order."""

    def __init__(self, dtype: DType, bands: Sequence[Band], work: Workspace) -> None:
        self._dtype, self._bands, self._work = dtype, bands, work
        self._counted = FLOAT64 if dtype.is_complex else dtype  # the dtype of what is counted
        self._bins = np.zeros((2, BINS), np.int64)
        self._beyond = np.zeros((len(bands), 3), np.int64)
        self._subnormal = 0
        self._found, self._lock = Finder(), threading.Lock()

    def add(self, raw: Raw, place: PlaceOf) -> None:
        """Count stored elements."""
        step = moduli.CHUNK * self._dtype.itemsize if self._dtype.is_complex else max(1, raw.size)
        for start in range(0, raw.size, step):
            self._add_chunk(raw[start : start + step], start // self._dtype.itemsize, place)

    def counts(self) -> ValueCounts:
        """Return the counts of all that was added."""

        def value_of(word: int) -> float:
            return float(np.array(word, f"u{self._counted.itemsize}").view(self._counted.name))

        return ValueCounts(
            self._bins,
            self._beyond,
            self._subnormal,
            self._found.extreme("largest", value_of),
            self._found.extreme("smallest", value_of),
            self._found.place("nan"),
            self._found.place("inf"),
        )

    def _add_chunk(self, raw: Raw, at: int, place: PlaceOf) -> None:
        """Count elements, the first of them element `at` of a piece."""
        if self._dtype.is_complex:
            self._count(self._moduli(raw).view(np.uint64), at, place)
            self._count_beyond(_larger_parts(raw, self._dtype, self._work), self._dtype.part)
            return
        words = words_of(raw, self._dtype)
        self._count_beyond(self._count(words.byteswap() if self._dtype.swapped else words, at, place), self._counted)

    def _moduli(self, raw: Raw) -> NDArray[np.float64]:
        """Return |z| of each element: infinite only if a part is."""
        work = self._work
        parts = moduli.parts_of(raw, self._dtype, work.real, work.imaginary, work)
        found = np.minimum(moduli.moduli(parts, work), np.finfo(np.float64).max)  # it keeps NaN
        return np.where(moduli.is_infinite(parts), np.inf, found)

    def _count(self, words: Words, at: int, place: PlaceOf) -> _Sizes:
        """Count elements by their bits, the first of them element `at` of a piece; return their magnitudes."""
        bits = _bits_of(self._counted)
        table = self._counted_codes(words, bits)
        if table[:, bits.special :].any():
            words = self._without_nonfinite(words, at, place)
            table[:, bits.special :] = 0
        counts = table.sum(axis=0)
        zeros = (
            0 if counts.sum() == words.size and not counts[0] else words.size - int(np.count_nonzero(words & bits.mask))
        )
        counts[0] = words.size - counts[1:].sum() - zeros  # what is left of it is subnormal
        start = first_bin(bits.least)
        with self._lock:
            self._bins[:, start : start + bits.special - PER_OCTAVE] += table[:, PER_OCTAVE : bits.special]
        if counts[:PER_OCTAVE].any():
            self._count_subnormal(words)
        if zeros < words.size:
            self._find_extremes(words, counts, at, place)
        counts[0] += zeros
        return _Sizes(words, zeros, counts, bits, self._work)

    def _counted_codes(self, words: Words, bits: _Bits) -> Counts:
        """Count the codes of elements (signs, codes), so many at a time that their indices stay in the cache of the processor."""
        table = np.zeros(2 * bits.codes, np.int64)
        for start in range(0, words.size, _AT_ONCE):
            part = words[start : start + _AT_ONCE]
            codes = np.right_shift(part, bits.shift, out=self._work.shifted.take(part.size, part.dtype.type))
            index = self._work.table_index.take(part.size, np.intp)
            np.copyto(index, codes, casting="unsafe")
            np.add.at(table, index, 1)
        return table.reshape(2, bits.codes)

    def _without_nonfinite(self, words: Words, at: int, place: PlaceOf) -> Words:
        """Note where the first NaN and infinity are, and return elements with 0 in their place."""
        size, infinite = self._sizes(words), _bits_of(self._counted).infinite
        for kind, marks in (("nan", size > infinite), ("inf", size == infinite)):
            if marks.any() and self._found.is_better(kind, 0):
                self._found.take(kind, 0, place(at, marks))
        return np.where(size >= infinite, words.dtype.type(0), words)

    def _sizes(self, words: Words) -> Words:
        """Return the bits of magnitudes in `unsigned_bits`."""
        mask = _bits_of(self._counted).mask
        found: Words = np.bitwise_and(words, mask, out=self._work.unsigned_bits.take(words.size, words.dtype.type))
        return found

    def _find_extremes(self, words: Words, codes: Counts, at: int, place: PlaceOf) -> None:
        """Note where the largest and the smallest magnitude above 0 are, if the codes of some are near those that are known."""
        shift, present = _bits_of(self._counted).shift, codes.nonzero()[0].tolist()
        least, most = present[0] << shift, ((present[-1] + 1) << shift) - 1
        larger, smaller = self._found.is_better("largest", -most), self._found.is_better("smallest", least)
        if not larger and not smaller:
            return
        size = self._sizes(words)
        top = int(size.max()) if larger else 0
        if larger and self._found.is_better("largest", -top):
            self._found.take("largest", -top, place(at, size == top))
        if smaller:
            kind = size.dtype.type
            less = np.subtract(size, kind(1), out=self._work.shifted.take(size.size, kind))  # 0 becomes the largest
            low = int(less.min()) + 1
            if self._found.is_better("smallest", low):
                self._found.take("smallest", low, place(at, size == low))

    def _count_subnormal(self, words: Words) -> None:
        """Count subnormal numbers in the bins of their values."""
        bits, size = _bits_of(self._counted), self._sizes(words)
        which = np.flatnonzero((size > 0) & (size < PER_OCTAVE << bits.shift))
        values = size[which]
        bins = bins_of(values.view(np.float64) if values.itemsize == 8 else np.ldexp(values * 1.0, bits.unit))
        negative = words[which] > bits.mask
        with self._lock:
            self._subnormal += which.size
            for sign, part in enumerate((~negative, negative)):
                np.add.at(self._bins[sign], bins[part], 1)

    def _count_beyond(self, sizes: _Sizes, dtype: DType) -> None:
        """Count what becomes 0, is subnormal or overflows in narrower dtypes."""
        limits = [last_word(limit, dtype) for band in self._bands for limit in band]
        found = np.array(sizes.at_most(limits), np.int64).reshape(-1, 3)
        lost, subnormal, held = found.T
        with self._lock:
            self._beyond += np.array([lost - sizes.zeros, subnormal - lost, sizes.words.size - held]).T


def _larger_parts(raw: Raw, dtype: DType, work: Workspace) -> _Sizes:
    """Return the larger parts of complex numbers, and 0 for those that are not finite."""
    words, bits = words_of(raw, dtype.part), _bits_of(dtype.part)
    words = words.byteswap() if dtype.swapped else words
    larger: Words = (words & words.dtype.type(bits.mask)).reshape(-1, 2).max(axis=1)
    larger[larger >= bits.infinite] = 0
    return _Sizes(larger, int(np.count_nonzero(larger == 0)), None, bits, work)
