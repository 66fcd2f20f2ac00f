"""What a dtype would lose is counted as casting to it would lose it."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from support.tensors import ORACLES, raw_of

from gradclip_cli.checks.limits import DTYPES
from gradclip_cli.commands.check.out_of_range import DumpRangeCounts
from gradclip_cli.engine.measure import seen
from gradclip_cli.numerics.dtypes import FLOAT8_E4M3FNUZ, FLOATS, Raw, from_numpy, swapped
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

NAMES = [dtype.name for dtype in FLOATS]
STATS = PieceStats((0, 0, 0, 0, 0), 0.0, (), ())


def take(counts: DumpRangeCounts, specs: list[TensorSpec], piece: Piece, raw: Raw) -> None:
    """Count in the only piece of a file, the next of a dump."""
    observer = counts.observer(specs, 0)
    observer.take_all(seen(observer.see, piece, raw, STATS))


def lost(values: np.ndarray, target: str) -> tuple[int, int]:
    """Cast with ml_dtypes, and count what was not 0 and is 0 or subnormal, and what was finite and is not."""
    to = values.dtype if target == "stored" else np.dtype(ORACLES[target])
    wide = values.astype(np.float64)
    with np.errstate(over="ignore"):
        cast = values.astype(to).astype(np.float64)
    small = (wide != 0) & (np.abs(cast) < float(ml_dtypes.finfo(to).smallest_normal))
    return int(small.sum()), int((np.isfinite(wide) & ~np.isfinite(cast)).sum())


def edges(name: str, target: str) -> np.ndarray:
    """Return numbers of one dtype around the limits of another, of both signs."""
    dtype, to = np.dtype(ORACLES[name]), np.dtype(ORACLES[name if target == "stored" else target])
    found = ml_dtypes.finfo(to)
    places = [float(found.smallest_normal), float(found.max), float(found.smallest_subnormal)]
    factors = [1 - 2.0**-k for k in range(1, 13)] + [1 + 2.0**-k for k in range(1, 13)] + [1.0]
    with np.errstate(over="ignore"):
        values = np.array([place * factor for place, factor in itertools.product(places, factors)]).astype(dtype)
    values = values[np.isfinite(values.astype(np.float64))]
    return np.concatenate([values, -values, np.zeros(3, dtype)])


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_a_cast(name: str, target: str) -> None:
    """Around the limits of each target, counts for each dtype are those of a cast, whatever the sign; zeros are not lost."""
    values = edges(name, target)
    counts = DumpRangeCounts([target], Workspace())
    spec = TensorSpec("w", from_numpy(values.dtype), values.shape)
    take(counts, [spec], Piece(0, 1, 0, values.size), raw_of(values))
    [(low, high)] = counts.of([0])
    assert (low - np.count_nonzero(values == 0), high) == lost(values, target)


@pytest.mark.parametrize("target", ["stored", "float16"])
def test_bytes_in_the_other_order(target: str) -> None:
    """Big-endian values count like others, and NaN and infinities among what overflows."""
    values = np.array([1e-6, 1.0, 1e6, np.inf, np.nan, -1e-41], np.float32)
    counts = DumpRangeCounts([target], Workspace())
    spec = TensorSpec("w", swapped(from_numpy(values.dtype)), values.shape)
    take(counts, [spec], Piece(0, 1, 0, 6), raw_of(values.astype(">f4")))
    assert counts.of([0]) == [(1, 2)] if target == "stored" else [(2, 3)]


def test_small_tensors_side_by_side() -> None:
    """A piece of several tensors is counted for each of them; pieces of one tensor add up, in one file and in several."""
    sizes = (2, 0, 3)
    specs = [TensorSpec(f"t{k}", from_numpy(np.dtype(np.float32)), (size,), 0) for k, size in enumerate(sizes)]
    raw = raw_of(np.array([1e-9, 1.0, 1e-9, 1e-9, 1e9], np.float32))
    counts = DumpRangeCounts(["float16"], Workspace())
    for _ in range(2):
        take(counts, specs, Piece(0, 3, 0, 5), raw)
    assert [counts.of([k]) for k in range(6)] == 2 * [[(1, 0)], [(0, 0)], [(2, 1)]]
    assert counts.of([0, 2, 3, 5]) == [(6, 2)]
    assert counts.table([[0, 3], [1], [2, 4]], None).tolist() == [[[2, 0]], [[0, 0]], [[2, 1]]]


def test_pieces_of_one_tensor_add_up() -> None:
    """A tensor that is read in two pieces has the counts of both."""
    counts, values = DumpRangeCounts(["float16"], Workspace()), np.array([1e-9, 1.0, 1e-9, 1e9], np.float32)
    observer = counts.observer([TensorSpec("w", from_numpy(values.dtype), (4,), 0)], 0)
    for start in (2, 0):
        piece = Piece(0, 1, start, start + 2)
        observer.take_all(seen(observer.see, piece, raw_of(values[start : start + 2]), STATS))
    assert counts.of([0]) == [(2, 1)]


@pytest.mark.parametrize("target", ["stored", "float16", "float8_e4m3fnuz"])
def test_the_nan_of_fnuz_is_among_what_overflows(target: str) -> None:
    """0x80 is NaN and not zero, with the stored dtype and with others as the target."""
    counts = DumpRangeCounts([target], Workspace())
    spec = TensorSpec("w", FLOAT8_E4M3FNUZ, (3,))
    take(counts, [spec], Piece(0, 1, 0, 3), np.array([0x00, 0x80, 0x40], np.uint8))
    assert counts.of([0]) == [(1, 1)]
