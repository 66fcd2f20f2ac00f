"""Sum the squares of each unit of a tensor in its pieces, so that together they have the same bits for any pieces.

A unit that is a run is summed where it meets each block, by numpy's pairwise order; `unit_norms` adds these sums exactly. Where units
lie across, squares are added row by row in each cell of `CELL` elements, and cells in their order. Elements whose squares leave the
range of float64 are summed apart, divided by a power of two (Blue 1978).
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.chunks import CHUNK
from gradclip_cli.numerics.dtypes import DType, Raw, decode, words_of
from gradclip_cli.numerics.narrow_floats import magnitudes
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.scanning import without_signs
from gradclip_cli.numerics.unit_layout import UnitLayout, rows_of, together
from gradclip_cli.numerics.workspace import Workspace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELL = 64 * BLOCK
"""The elements that are added row by row where units lie across: as many as those of a piece, where they are read."""

NAN, INFINITE = 1, 2
"""The marks of units with elements that are not finite."""

USUAL, HUGE, TINY = 0, -600, 600
"""The powers of two by which elements are multiplied before they are squared: squares are in the range of float64 then."""

_EDGE = 2.0**480


class Part(NamedTuple):
    """Sums of squares, of elements multiplied by 2^`scale`, of the units from `first` on.

    If `single`, they are squares of the elements from `first` on, of a cell that is not all in one piece; with `units`, sums
    of these units in a block each.
    """

    scale: int
    first: int
    sums: Floats
    single: bool = False
    units: Ints | None = None


class UnitPart(NamedTuple):
    """What a piece holds of the sums of its tensor, in order, and the marks of units by number."""

    parts: list[Part]
    marks: dict[int, Ints]


def measure_units(raw: Raw, dtype: DType, start: int, layout: UnitLayout, finite: bool, work: Workspace) -> UnitPart:
    """Sum the squares in a piece that begins at element `start`, a whole number of blocks; `finite` says that all elements are."""
    marks: dict[int, list[Ints]] = {}

    def chunks(begin: int, end: int) -> Iterator[tuple[int, int, Floats]]:
        for at in range(begin, end, CHUNK):
            part = raw[(at - start) * dtype.itemsize : (min(at + CHUNK, end) - start) * dtype.itemsize]
            if finite and 0 < dtype.exponent < 8:  # squares need no signs, and no table
                values: Any = magnitudes(without_signs(words_of(part, dtype), dtype, work), dtype, work)
            else:
                values = decode(part, dtype.part, work)
            if not finite:
                values = _finite(values, dtype, at, layout, marks)
            yield from ((at, scale, squares) for scale, squares in _squares(values, dtype, work))

    stop = start + raw.size // dtype.itemsize
    if layout.across:
        cuts = [start, *range(start // CELL * CELL + CELL, stop, CELL), stop]
        parts = [part for a, b in pairwise(cuts) for part in _across(chunks(a, b), a, b, layout)]
    else:
        parts = [part for at, scale, squares in chunks(start, stop) for part in _runs(squares, scale, at, layout)]
    return UnitPart(parts, {mark: np.unique(np.concatenate(units)) for mark, units in marks.items()})


def _finite(values: Any, dtype: DType, at: int, layout: UnitLayout, marks: dict[int, list[Ints]]) -> Any:
    """Return values with 0 in place of NaN and infinities, whose units are marked."""
    parts = 2 if dtype.is_complex else 1
    for mark, found in ((NAN, np.isnan(values)), (INFINITE, np.isinf(values))):
        if found.any():
            marks.setdefault(mark, []).append(layout.unit_of(at + np.flatnonzero(found) // parts))
    return np.where(np.isfinite(values), values, 0)


def _squares(values: Any, dtype: DType, work: Workspace) -> Iterator[tuple[int, Floats]]:
    """Yield the squares of the usual elements, in `work.squares`, then those of huge and tiny ones, if there are any."""
    if values.dtype != np.float64 or dtype.narrow:
        yield USUAL, _squared(values, dtype, work)
        return
    size = np.abs(values)
    huge, tiny = size > _EDGE, (size < 1 / _EDGE) & (size > 0)
    usual = np.where(huge | tiny, 0, values) if huge.any() or tiny.any() else values
    yield USUAL, _squared(usual, dtype, work)
    for scale, which in ((HUGE, huge), (TINY, tiny)):
        if which.any():
            yield scale, _squared(np.ldexp(np.where(which, values, 0), scale), dtype, work)


def _squared(values: Any, dtype: DType, work: Workspace) -> Floats:
    """Return |x|² of elements, in `work.squares`; of complex ones both parts are added. Values of narrow floats may be changed."""
    found = work.squares.take(values.size, np.float64)
    if values.dtype == np.float32 and 0 < dtype.exponent < 8:  # squares are float32, too
        np.copyto(found, np.multiply(values, values, out=values))
        return found
    if values.dtype != np.float64:
        np.copyto(found, values)  # in half the time in which `multiply` would widen both operands by itself
        values = found
    np.multiply(values, values, out=found)
    return np.add(found[::2], found[1::2]) if dtype.is_complex else found


def _runs(squares: Floats, scale: int, at: int, layout: UnitLayout) -> Iterator[Part]:
    """Sum a chunk of units that are runs, where they meet each block."""
    run, stop = layout.run, at + squares.size
    starts = np.arange(-(-at // run) * run, stop, run)
    if run > BLOCK or BLOCK % run:
        both = np.sort(np.concatenate([starts, np.arange(at, stop, BLOCK)]), kind="stable")  # fast for two sorted runs
        starts = both[np.diff(both, prepend=-1) > 0]
    sums, first = np.add.reduceat(squares, starts - at), at // run
    if run > BLOCK:
        yield Part(scale, first, sums, units=starts // run)
        return
    if len(starts) > -(-stop // run) - first:  # a unit that meets two blocks has two sums, which are rounded once
        sums = np.add.reduceat(sums, np.flatnonzero(np.diff(starts // run, prepend=-1)))
    yield Part(scale, first, sums)


def _across(chunks: Iterable[tuple[int, int, Floats]], start: int, stop: int, layout: UnitLayout) -> Iterator[Part]:
    """Sum the squares of a cell that has elements `start` to `stop`, if that is all of it; else hand them on."""
    whole = not start % CELL and stop == min(start + CELL, layout.size)
    if whole and stop - start >= layout.units:
        sums: dict[int, Floats] = {}
        for at, scale, squares in chunks:
            add_rows(squares, at, layout, sums.setdefault(scale, np.zeros(layout.units)))
        yield from (Part(scale, 0, found) for scale, found in sums.items())
        return
    yield from (Part(scale, at, squares.copy(), single=True) for at, scale, squares in chunks)


def add_rows(squares: Floats, at: int, layout: UnitLayout, sums: Floats) -> None:
    """Add the squares of a chunk from element `at` on to the sums of all units, row by row."""
    for rows in rows_of(layout, at, squares.size):
        part = squares[rows.start : rows.stop]
        if rows.width < layout.units or part.size == layout.units:
            sums[rows.first : rows.first + part.size] += part
            continue
        several = together(layout.units)
        even = part.size // (several * layout.units) * several * layout.units
        if even:
            folded = np.add.reduce(part[:even].reshape(-1, several * layout.units), axis=0)
            sums += np.add.reduce(folded.reshape(several, layout.units), axis=0)
        if even < part.size:
            sums += np.add.reduce(part[even:].reshape(-1, layout.units), axis=0)
