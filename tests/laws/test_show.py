"""`show` counts what plain numpy counts: in every format, dtype, order and layout, by pieces of any size in any number of threads."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.matrices import crossed
from support.official import BFLOAT16, E4M3FN, E5M2, Array, save
from unit.numerics.counted import CASTS, LEAST

from gradclip_cli import ShowBlock, ShowParam, ShowReport, show
from gradclip_cli.formats import FORMATS
from laws.layouts import WRITERS

DTYPES = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16), BFLOAT16)
HELD = [*((format, dtype) for format in FORMATS for dtype in DTYPES), ("safetensors", E4M3FN), ("safetensors", E5M2)]
SIZES = (1 << 15, 1 << 21)
"""How much is read at once, in bytes: a block, and the usual."""


def made(dtype: Any) -> dict[str, Array]:
    """Return tensors of all kinds of magnitudes, with what is not finite, with zeros, without elements, and without axes."""
    rng = np.random.default_rng(8)

    def spread(shape: tuple[int, ...], low: float, high: float) -> Array:
        values = rng.standard_normal(shape) * 10.0 ** rng.uniform(low, high, shape)
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(values.astype(np.float32)).astype(dtype)

    broken = spread((40, 700), -9, 2)
    broken[[3, 7, 39], [5, 0, 699]] = [np.nan, -np.inf if dtype != E4M3FN else np.nan, np.nan]
    return {
        "blocks.0.weight": broken,
        "blocks.0.bias": spread((700,), -3, 0),
        "blocks.1.weight": np.where(rng.random((90, 300)) < 0.3, np.array(0, dtype), spread((90, 300), -30, -2)),
        "blocks.1.scale": spread((), -1, 0),
        "dead": np.zeros((4, 4), dtype),
        "nothing": np.zeros((0, 3), dtype),
    }


def index_of(marks: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return the index of the first mark in row-major order."""
    return tuple(np.argwhere(marks)[0].tolist()) if marks.any() else None


def check_values(report: ShowReport, array: Array) -> None:
    """Hold the values of one tensor against numpy."""
    wide = array.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    sizes = np.abs(wide)
    above = np.abs(finite[finite != 0])
    values, total, bands, bins = report.values, report.total, report.bands, report.bins
    assert values is not None
    assert bands is not None
    assert bins is not None
    assert (values.nan, values.posinf + values.neginf) == (np.isnan(wide).sum(), np.isinf(wide).sum())
    assert (values.positive, values.negative) == ((finite > 0).sum(), (finite < 0).sum())
    assert values.zeros == (finite == 0).sum()
    places = [None if one is None else one.index for one in (values.nan_at, values.inf_at)]
    assert places == [index_of(np.isnan(wide)), index_of(np.isinf(wide))]
    assert total.finite_norm == pytest.approx(math.sqrt(math.fsum(np.square(finite))), rel=1e-12)
    if above.size:
        assert values.max_at is not None
        assert values.min_at is not None
        assert (values.max_abs, values.max_at.index) == (above.max(), index_of(sizes == above.max()))
        assert (values.min_abs, values.min_at.index) == (above.min(), index_of(sizes == above.min()))
        edges = np.array([*(one.low for one in bins), bins[-1].high])
        assert [one.count for one in bins] == np.histogram(above, edges)[0].tolist()
        assert bins[0].low <= above.min() < bins[0].high
        check_percentiles(report, np.abs(finite))
    for band, kind, least in zip(bands, CASTS, LEAST, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            cast = np.abs(finite.astype(kind).astype(np.float64))
        expected = (
            ((cast == 0) & (finite != 0)).sum(),
            ((cast < least) & (cast > 0)).sum(),
            (~np.isfinite(cast)).sum(),
        )
        assert (band.lost, band.subnormal, band.overflow) == expected


def check_percentiles(report: ShowReport, sizes: NDArray[np.float64]) -> None:
    """Hold percentiles against numpy's nearest rank: those of narrow dtypes are exact, others within a bin."""
    for row in report.percentiles or ():
        exact = float(np.percentile(sizes, row.percent, method="inverted_cdf"))
        assert row.low <= exact <= row.high <= row.low * 1.125
        assert row.low == row.high or report.params[0].dtype in ("float32", "float64")


@pytest.mark.parametrize(("held", "size", "jobs"), crossed(HELD, SIZES, [1, 3]))
def test_every_tensor_is_counted_as_numpy_counts(
    tmp_path: Path, piece_bytes: Callable[[int], None], held: tuple[str, Any], size: int, jobs: int
) -> None:
    """Bins, percentiles, extremes with their places, signs and limits of narrower dtypes are numpy's."""
    piece_bytes(size)
    format, dtype = held
    tensors = made(dtype)
    path = save(tmp_path, format, tensors)
    for name, array in tensors.items():
        check_values(show(path, name, void_dtype="bfloat16", jobs=jobs), array)


@pytest.mark.parametrize("size", SIZES)
def test_column_major_and_swapped_tensors_have_the_same_report(
    tmp_path: Path, piece_bytes: Callable[[int], None], size: int
) -> None:
    """Neither the order of elements in the file nor that of their bytes changes a figure or the place of a first element."""
    piece_bytes(size)
    tensors = made(np.dtype(np.float32))
    plain, turned = tmp_path / "plain.npz", tmp_path / "turned.npz"
    np.savez(plain, **tensors)  # type: ignore[arg-type]
    np.savez(turned, **{name: np.array(array, ">f4", order="F") for name, array in tensors.items()})  # type: ignore[arg-type]
    for name in tensors:
        one, other = show(plain, name), show(turned, name)
        figures = one.total._replace(norm=0, finite_norm=0, rms=0)
        assert other.total._replace(norm=0, finite_norm=0, rms=0) == figures
        assert (other.bins, other.bands, other.percentiles) == (one.bins, one.bands, one.percentiles)
        assert one.values is not None
        assert other.values is not None
        assert other.values == one.values


@pytest.mark.parametrize("format", FORMATS)
def test_rows_are_those_of_numpy(tmp_path: Path, piece_bytes: Callable[[int], None], format: str) -> None:
    """Norm, share, rms, largest and smallest |g|, zeros and NaN of each tensor, of each block and of all are numpy's."""
    piece_bytes(SIZES[0])
    tensors = {**made(np.dtype(np.float32)), "steps": np.arange(5)}
    report = show(save(tmp_path, format, tensors), jobs=2)
    blocks = {"blocks.0": ("blocks.0.weight", "blocks.0.bias"), "blocks.1": ("blocks.1.weight", "blocks.1.scale")}
    groups = {**{name: (name,) for name in tensors if name != "steps"}, **blocks}
    every = np.concatenate([array.reshape(-1) for array in tensors.values() if array.dtype.kind == "f"]).astype(
        np.float64
    )
    square = math.fsum(np.square(every[np.isfinite(every)]))
    rows = {row.name: row for row in report.params if row.norm is not None}
    found: dict[str, ShowParam | ShowBlock] = {**rows}
    found |= {row.block: row for row in report.blocks if row.block in blocks}
    assert found.keys() == groups.keys()
    for name, row in found.items():
        wide = np.concatenate([tensors[one].reshape(-1) for one in groups[name]]).astype(np.float64)
        finite = wide[np.isfinite(wide)]
        sizes = np.abs(finite)
        norm = math.sqrt(math.fsum(np.square(finite)))
        assert row.finite_norm == pytest.approx(norm, rel=1e-12)
        assert row.share == pytest.approx(norm**2 / square, rel=1e-12)
        assert row.rms == (pytest.approx(norm / math.sqrt(finite.size), rel=1e-12) if finite.size else None)
        assert row.max_abs == (sizes.max() if sizes.size else None)
        assert row.min_abs == (sizes[sizes > 0].min() if sizes.any() else None)
        assert (row.zeros, row.nan, row.inf) == ((finite == 0).sum(), np.isnan(wide).sum(), np.isinf(wide).sum())
    assert math.isnan(report.total.norm)
    assert report.total.finite_norm == pytest.approx(math.sqrt(square), rel=1e-12)
    assert [(row.name, row.dtype, row.norm) for row in report.params if row.norm is None] == [("steps", "int64", None)]


@pytest.mark.parametrize("layout", [name for name in WRITERS if name != "series"])
def test_every_layout_is_one_dump(tmp_path: Path, layout: str) -> None:
    """However a dump is spread over files, its tensors are those of one file; ranks give counts of all their pieces."""
    folder = tmp_path / "in"
    folder.mkdir()
    given = WRITERS[layout](folder)
    (dump,) = given.dumps
    path, in_pieces = given.paths[0] if len(given.paths) == 1 else folder, ("ranks", "captured")
    for name, array in dump.items():
        report = show(path, name, **given.options)
        sizes = np.abs(array.astype(np.float64))
        assert report.values is not None
        assert sum(one.count for one in report.bins or ()) == np.count_nonzero(array)
        assert (report.values.positive, report.values.max_abs) == ((array > 0).sum(), sizes.max())
        assert report.values.max_at is not None
        assert (report.values.max_at.file is None) == (layout not in in_pieces)
        if layout not in in_pieces:
            assert report.values.max_at.index == index_of(sizes == sizes.max())


def test_figures_are_in_true_units(tmp_path: Path) -> None:
    """Under --unscale all figures are those of the quotients, and so is what narrower dtypes lose."""
    rng = np.random.default_rng(2)
    array = (rng.standard_normal(5_000) * 10.0 ** rng.uniform(-9, -2, 5_000)).astype(np.float32)
    for scale in (65536.0, 1000.0):
        scaled = array * np.float32(scale)
        true = scaled.astype(np.float64) / scale
        path = save(tmp_path, "npz", {"w": scaled}, f"x{scale:g}")
        report = show(path, "w", unscale=scale)
        assert report.values is not None
        assert report.total.finite_norm == pytest.approx(math.sqrt(math.fsum(true**2)), rel=1e-12)
        assert (report.values.max_abs, report.values.min_abs) == (np.abs(true).max(), np.abs(true).min())
        for band in report.bands or ():
            assert band.lost == np.count_nonzero(np.abs(true) <= band.lost_to)
            assert band.subnormal == np.count_nonzero(np.abs(true) <= band.subnormal_to) - band.lost
        check_percentiles(report, np.abs(true))
        listed = show(path, unscale=scale)
        assert listed.params[0].min_abs == np.abs(true).min()


@pytest.mark.parametrize("format", FORMATS)
def test_complex_tensors_count_by_their_moduli(tmp_path: Path, format: str) -> None:
    """Bins, extremes and the norm of complex tensors are those of |z|; they have no signs."""
    rng = np.random.default_rng(4)
    array = ((rng.standard_normal((50, 31)) + 1j * rng.standard_normal((50, 31))) * 1e-3).astype(np.complex64)
    array[3, 4] = 0
    report = show(save(tmp_path, format, {"w": array}), "w")
    sizes = np.abs(array.astype(np.complex128))
    assert report.values is not None
    assert (report.values.positive, report.values.negative) == (None, None)
    assert (report.values.zeros, sum(one.count for one in report.bins or ())) == (1, 50 * 31 - 1)
    assert report.values.max_at is not None
    assert report.values.max_abs == pytest.approx(sizes.max(), rel=1e-15)
    assert report.values.max_at.index == index_of(sizes == sizes.max())
    assert report.total.norm == pytest.approx(math.sqrt(math.fsum(np.square(sizes).reshape(-1))), rel=1e-12)
    assert {one.positive for one in report.bins or ()} == {None}
