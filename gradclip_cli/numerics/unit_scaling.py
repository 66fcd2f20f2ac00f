"""Multiply the elements of each unit of a tensor by a factor of its own, in place."""

import math
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.chunks import CHUNK
from gradclip_cli.numerics.dtypes import BFLOAT16, FLOAT16, DType, Raw, decode, encode, widen, words_of
from gradclip_cli.numerics.dtypes import Floats as AnyFloats
from gradclip_cli.numerics.narrow_floats import magnitudes, unrounded
from gradclip_cli.numerics.scanning import overflow, without_signs
from gradclip_cli.numerics.unit_layout import UnitLayout, rows_of, together
from gradclip_cli.numerics.workspace import Workspace

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


_IN_SINGLES = (BFLOAT16, FLOAT16)
"""Types whose elements are multiplied in float32."""

_LEAST = 2.0**-64
"""Factors from here to 1 lose no more than their last bits as float32."""

_DOUBT = 3
"""How far a product in float32 may be from the exact one, in steps of its last bit: that of two roundings, and one to spare.

What becomes a subnormal float16 has a third rounding, but steps are at least twice as large there.
"""

_LONG, _LEAST_BUFFER = 512, 16
"""From this width on, rows take half the time or less if they are longer than numpy's buffer, here of the least size it may have.

Rows of 4,096 float32: 0.05 instead of 0.14 ns an element. Shorter ones are faster if numpy puts several into its buffer.
"""


class UnitFactors(NamedTuple):
    """The factor of each unit, (units,), and where some are no normal numbers the divisors that come first, else None.

    Where a factor has lost digits, or comes from a norm that is not finite, elements are divided and multiplied, as by `scale`.
    `singles` are the factors as float32, where none is above 1 or so small that it loses digits.
    """

    factors: Floats
    divisors: Floats | None = None
    singles: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, numerators: Floats, denominators: Floats) -> "UnitFactors":
        """Return numerators / denominators, both (units,)."""
        with np.errstate(all="ignore"):
            factors = numerators / denominators
        normal = (np.abs(factors) >= sys.float_info.min) & (np.abs(factors) < math.inf)
        if normal.all():
            usual = factors.size and factors.min() >= _LEAST and factors.max() <= 1
            return cls(factors, None, factors.astype(np.float32) if usual else None)
        return cls(np.where(normal, factors, numerators), np.where(normal, 1.0, denominators))


class UnitScaling(NamedTuple):
    """What is done to the units of a tensor: their factors, which are 1 for those that are not `clipped`, and their places.

    `has_nan` says that some elements of the tensor are NaN, whose bits no arithmetic may touch where a unit is not clipped.
    """

    layout: UnitLayout
    by: UnitFactors
    clipped: Mask
    has_nan: bool = False


def scale_units(raw: Raw, dtype: DType, start: int, how: UnitScaling, work: Workspace) -> int:
    """Change a piece that begins at element `start`; return how many of its elements are in units that are clipped."""
    parts, number, each = (2 if dtype.is_complex else 1), 0, dtype.part
    for at in range(0, raw.size // dtype.itemsize, CHUNK):
        part = raw[at * dtype.itemsize : (at + CHUNK) * dtype.itemsize]
        stored = words_of(part, each)
        changed = _count(start + at, stored.size // parts, how)
        if not changed:
            continue
        number += changed
        if how.by.singles is not None and each in _IN_SINGLES and not how.has_nan:
            with np.errstate(all="ignore"):
                _scale_narrow(stored, each, start + at, how, how.by.singles, work)
            continue
        before = stored.copy() if how.has_nan and changed * parts < stored.size else None
        with np.errstate(all="ignore"):
            wide = widen(decode(part, each, work), work)
            factors, divisors, _ = how.by
            if divisors is not None:
                _each(np.divide, wide, start + at, divisors, how.layout, parts)
            _each(np.multiply, wide, start + at, factors, how.layout, parts)
        encode(wide, each, part, work)
        if before is not None:
            kept = ~how.clipped[how.layout.unit_of(start + at + np.arange(stored.size // parts))]
            np.copyto(stored, before, where=np.repeat(kept, parts))
    return number


def _scale_narrow(
    words: NDArray[np.uint16], dtype: DType, start: int, how: UnitScaling, singles: NDArray[np.float32], work: Workspace
) -> None:
    """Multiply elements from `start` on in float32, and those again in float64 whose product may be rounded wrongly.

    Those are few: the ones beside the middle between two numbers of `dtype`, and infinities. The rest takes half the time that
    float64 takes, or less.
    """
    signs, special, drop = None, None, 23 - dtype.mantissa
    if dtype == BFLOAT16:
        values = decode(words.view(np.uint8), dtype, work)
    else:
        signs = np.bitwise_and(words, 0x8000, out=work.sign.take(words.size, np.uint16))
        sizes = without_signs(words, dtype, work)
        special = sizes >= overflow(dtype) if sizes.max() >= overflow(dtype) else None
        values = magnitudes(sizes, dtype, work)
    _each(np.multiply, values, start, singles, how.layout, 1)
    bits = unrounded(values, dtype, (1 << (drop - 1)) + _DOUBT, work)
    lost = work.odd.take(bits.size, np.uint16)
    np.copyto(lost, bits, casting="unsafe")
    if drop < 16:
        np.left_shift(lost, 16 - drop, out=lost)
    most = np.uint16(2 * _DOUBT << (16 - drop))
    doubtful = np.less_equal(lost, most, out=work.is_zero.take(bits.size, np.bool_))
    middle = np.flatnonzero(doubtful if special is None else doubtful | special)
    again = words[middle]
    np.copyto(words, np.right_shift(bits, drop, out=bits), casting="unsafe")
    if signs is not None:
        np.bitwise_or(words, signs, out=words)
    exact = widen(decode(again.view(np.uint8), dtype, work), work)
    np.multiply(exact, how.by.factors[how.layout.unit_of(start + middle)], out=exact)
    encode(exact, dtype, again.view(np.uint8), work)
    words[middle] = again


def _count(start: int, size: int, how: UnitScaling) -> int:
    """Count the elements, of `size` from `start` on, that are in clipped units."""
    layout, number = how.layout, 0
    for rows in rows_of(layout, start, size):
        count = (rows.stop - rows.start) // rows.width
        units = how.clipped[rows.first : rows.first + (rows.width if layout.across else count)]
        number += int(np.count_nonzero(units)) * (count if layout.across else rows.width)
    return number


def _each(change: np.ufunc, wide: AnyFloats, start: int, by: AnyFloats, layout: UnitLayout, parts: int) -> None:
    """Multiply or divide elements from `start` on, of `parts` numbers each, by the number of their unit."""
    theirs = np.setbufsize(_LEAST_BUFFER) if (layout.units if layout.across else layout.run) >= _LONG else None
    try:
        for rows in rows_of(layout, start, wide.size // parts):
            part = wide[rows.start * parts : rows.stop * parts].reshape(-1, rows.width * parts)
            _each_row(change, part, by[rows.first :], layout, parts)
    finally:
        if theirs is not None:
            np.setbufsize(theirs)


def _each_row(change: np.ufunc, rows: AnyFloats, by: AnyFloats, layout: UnitLayout, parts: int) -> None:
    """Multiply or divide rows, (rows, width), by the number of the unit of each row, or across of each column, from the first on."""
    count, width = rows.shape
    if not layout.across:
        change(rows, by[:count, None], out=rows)
        return
    own = np.repeat(by[: width // parts], parts) if parts > 1 else by[:width]
    several = min(together(width // parts), count)
    even = count // several * several
    folded = rows[:even].reshape(-1, several * width)
    change(folded, np.tile(own, several) if several > 1 else own, out=folded)
    if even < count:
        change(rows[even:], own, out=rows[even:])
