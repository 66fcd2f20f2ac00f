"""Multiply the elements of each unit of a tensor by a factor of its own, in place."""

import math
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.chunks import CHUNK
from gradclip_cli.numerics.dtypes import DType, Raw, decode, encode, widen, words_of
from gradclip_cli.numerics.unit_layout import UnitLayout, rows_of, together
from gradclip_cli.numerics.workspace import Workspace

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class UnitFactors(NamedTuple):
    """The factor of each unit, (units,), and where some are no normal numbers the divisors that come first, else None.

    Where a factor has lost digits, or comes from a norm that is not finite, elements are divided and multiplied, as by `scale`.
    """

    factors: Floats
    divisors: Floats | None = None

    @classmethod
    def of(cls, numerators: Floats, denominators: Floats) -> "UnitFactors":
        """Return numerators / denominators, both (units,)."""
        with np.errstate(all="ignore"):
            factors = numerators / denominators
        normal = (np.abs(factors) >= sys.float_info.min) & (np.abs(factors) < math.inf)
        if normal.all():
            return cls(factors)
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
        before = stored.copy() if how.has_nan and changed * parts < stored.size else None
        with np.errstate(all="ignore"):
            wide = widen(decode(part, each, work), work)
            factors, divisors = how.by
            if divisors is not None:
                _each(np.divide, wide, start + at, divisors, how.layout, parts)
            _each(np.multiply, wide, start + at, factors, how.layout, parts)
        encode(wide, each, part, work)
        if before is not None:
            kept = ~how.clipped[how.layout.unit_of(start + at + np.arange(stored.size // parts))]
            np.copyto(stored, before, where=np.repeat(kept, parts))
    return number


def _count(start: int, size: int, how: UnitScaling) -> int:
    """Count the elements, of `size` from `start` on, that are in clipped units."""
    layout, number = how.layout, 0
    for rows in rows_of(layout, start, size):
        count = (rows.stop - rows.start) // rows.width
        units = how.clipped[rows.first : rows.first + (rows.width if layout.across else count)]
        number += int(np.count_nonzero(units)) * (count if layout.across else rows.width)
    return number


def _each(change: np.ufunc, wide: Floats, start: int, by: Floats, layout: UnitLayout, parts: int) -> None:
    """Multiply or divide elements from `start` on, of `parts` numbers each, by the number of their unit."""
    for rows in rows_of(layout, start, wide.size // parts):
        part = wide[rows.start * parts : rows.stop * parts].reshape(-1, rows.width * parts)
        if not layout.across:
            own = by[rows.first : rows.first + len(part), None]
            change(part, own, out=part)
            continue
        own = by[rows.first : rows.first + rows.width]
        own = np.repeat(own, parts) if parts > 1 else own
        several = min(together(rows.width), len(part))
        even = len(part) // several * several
        folded = part[:even].reshape(-1, several * rows.width * parts)
        change(folded, np.tile(own, several) if several > 1 else own, out=folded)
        if even < len(part):
            change(part[even:], own, out=part[even:])
