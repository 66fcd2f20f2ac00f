"""`diff` against plain numpy in float64: over all dtypes and formats, with the same bits however dumps are read."""

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import DTypeLike
from support.matrices import crossed
from support.official import BFLOAT16, E4M3FN, E5M2, FLOATS, Array, Tensors, save, save_deflated, save_hdf5
from support.oracle import is_gradient

import gradclip_cli
from gradclip_cli import GradclipError, apply
from gradclip_cli.formats import FORMATS
from gradclip_cli.reports.diff import DiffParam, DiffReport

WHOLE = tuple(np.dtype(code) for code in ("i1", "u2", "i4", "i8", "u8", "?"))


def diff(a: Path, b: Path, **options: Any) -> DiffReport:
    """Compare two dumps; what has two bytes and no type is bfloat16."""
    return gradclip_cli.diff(a, b, void_dtype="bfloat16", **options)


def row_of(a: Path, b: Path, **options: Any) -> DiffParam:
    """Compare two dumps of one tensor."""
    [row] = diff(a, b, **options).params
    return row


def expected(a: Array, b: Array, rtol: float = 0.0, atol: float = 0.0) -> dict[str, Any]:
    """Compare two arrays of finite numbers that float64 holds."""
    x, y = (np.ravel(array).astype(np.float64) for array in (a, b))
    apart, some = np.abs(x - y), y != 0
    norm_x, norm_y = (math.sqrt(math.fsum(side * side)) for side in (x, y))
    floats = is_gradient(a), is_gradient(b)
    angle = all(floats) and norm_x > 0 and norm_y > 0
    return {
        "status": "same" if (apart <= atol + rtol * np.abs(y)).all() else "differs",
        "norm_a": norm_x if floats[0] else None,
        "norm_b": norm_y if floats[1] else None,
        "norm_ratio": norm_y / norm_x if all(floats) and norm_x > 0 else None,
        "cosine": math.fsum(x * y) / (norm_x * norm_y) if angle else None,
        "max_abs_diff": apart.max(initial=0),
        "max_rel_diff": (apart[some] / np.abs(y[some])).max() if some.any() else None,
    }


def agrees(row: DiffParam, wanted: dict[str, Any]) -> bool:
    """Whether figures are right: norms and the cosine to 1e-12, the others to a rounding."""
    close = {name: 1e-12 if name.startswith("norm") or name == "cosine" else 1e-15 for name in wanted}
    return all(
        getattr(row, name) == (pytest.approx(value, rel=close[name], abs=0) if isinstance(value, float) else value)
        for name, value in wanted.items()
    )


def two(shape: tuple[int, ...], dtypes: tuple[DTypeLike, DTypeLike], seed: int = 0) -> tuple[Array, Array]:
    """Return two arrays that are alike but for some elements, with zeros in both."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 8
    y = np.where(rng.random(shape) < 0.5, x, x + rng.standard_normal(shape))
    x[rng.random(shape) < 0.1] = 0
    y[rng.random(shape) < 0.1] = 0
    if not all(is_gradient(np.empty(0, dtype)) for dtype in dtypes):
        x, y = np.abs(x), np.abs(y)
    return x.astype(dtypes[0]), y.astype(dtypes[1])


@pytest.mark.parametrize(("dtypes", "format"), crossed(product((*FLOATS, *WHOLE), repeat=2), FORMATS), ids=str)
def test_dtypes(dtypes: tuple[np.dtype[Any], np.dtype[Any]], format: str, tmp_path: Path) -> None:
    """Numbers of any two types are compared as what they are; of whole numbers there is no norm."""
    a, b = two((37, 501), dtypes)
    paths = save(tmp_path, format, {"w": a}, "a"), save(tmp_path, format, {"w": b}, "b")
    assert agrees(row_of(*paths), expected(a, b))
    assert agrees(row_of(*paths, rtol=0.25, atol=4.0), expected(a, b, 0.25, 4.0))


@pytest.mark.parametrize("dtype", [E4M3FN, E5M2], ids=str)
def test_eight_bits(dtype: np.dtype[Any], tmp_path: Path) -> None:
    """Floats of 8 bits are compared with wider ones."""
    a, b = two((3000,), (dtype, np.float32))
    paths = save(tmp_path, "safetensors", {"w": a}, "a"), save(tmp_path, "npz", {"w": b}, "b")
    assert agrees(row_of(*paths), expected(a, b))
    assert agrees(row_of(*paths[::-1]), expected(b, a))


def test_a_dtype_alone_is_no_difference(tmp_path: Path) -> None:
    """Values count: what a wider type holds exactly is equal, what a narrower one has rounded is not."""
    narrow = np.random.default_rng(0).standard_normal(1000).astype(BFLOAT16)
    wide = narrow.astype(np.float64)
    a, b = save(tmp_path, "safetensors", {"w": narrow}), save(tmp_path, "hdf5", {"w": wide})
    assert diff(a, b).equal
    row = row_of(a, b)
    assert (row.dtype_a, row.dtype_b, row.cosine) == ("bfloat16", "float64", 1.0)
    c = save(tmp_path, "npz", {"w": np.nextafter(wide, np.inf)})
    assert not diff(a, c).equal
    assert diff(a, c, rtol=1e-15).equal


@pytest.mark.parametrize(
    ("code", "other"), [("<f4", ">f4"), ("<f4", "<i4"), ("<i8", "<u8"), ("<f2", BFLOAT16)], ids=str
)
def test_the_same_bytes_may_be_other_numbers(code: str, other: DTypeLike, tmp_path: Path) -> None:
    """Bytes that are the same are no equal numbers where their types are not the same."""
    array = np.array([-1, -2, -3], code)
    a, b = save(tmp_path, "npz", {"w": array}, "a"), save(tmp_path, "npz", {"w": array.view(other)}, "b")
    assert row_of(a, b).status == "differs"


@pytest.fixture
def tensors() -> Tensors:
    """Provide tensors of all kinds, longer than a piece of the smallest size, with what is not finite in some."""
    rng = np.random.default_rng(11)
    found: dict[str, Array] = {
        "wide": rng.standard_normal((3, 30_001)),
        "single": rng.standard_normal((700, 101)).astype(np.float32),
        "half": rng.standard_normal(40_000).astype(np.float16),
        "brain": rng.standard_normal(40_000).astype(BFLOAT16),
        "odd": rng.standard_normal(20_000),
        "ids": rng.integers(-(2**63), 2**63, 20_000),
        "mask": rng.random(10_000) < 0.5,
        "scalar": np.array(2.5),
        "nothing": np.zeros((0, 4), np.float32),
        "small.1": np.ones(3, np.float32),
        "small.2": np.zeros(5, np.float32),
    }
    found["odd"][[5, 9_000, 19_999]] = np.nan, np.inf, -np.inf
    return found


@pytest.fixture
def changed(tensors: Tensors) -> Tensors:
    """Provide the same tensors with a few elements changed, in the last blocks too."""
    found = {name: array.copy() for name, array in tensors.items()}
    for name in ("wide", "single", "half", "brain", "odd"):
        flat = found[name].reshape(-1)
        flat[::7] *= 1.5
        flat[-1] = 0
    found["ids"][-1] ^= 1
    found["small.2"][2] = 1
    return found


def test_whole_numbers_beyond_float64(tensors: Tensors, changed: Tensors, tmp_path: Path) -> None:
    """A single bit of a 64-bit whole number is found."""
    a, b = save(tmp_path, "npz", tensors, "a"), save(tmp_path, "hdf5", changed, "b")
    rows = {row.name: row for row in diff(a, b).params}
    assert (rows["ids"].status, rows["ids"].max_abs_diff) == ("differs", 1.0)
    assert {name for name, row in rows.items() if row.status == "same"} == {"mask", "scalar", "nothing", "small.1"}


@pytest.mark.parametrize("of_b", FORMATS)
@pytest.mark.parametrize("of_a", FORMATS)
def test_formats(of_a: str, of_b: str, tensors: Tensors, changed: Tensors, tmp_path: Path) -> None:
    """Figures do not depend on the formats of the two dumps, to the bit."""
    usual = figures(save(tmp_path, "npz", tensors, "a"), save(tmp_path, "npz", changed, "b"))
    assert figures(save(tmp_path, of_a, tensors, "x"), save(tmp_path, of_b, changed, "y")) == usual
    assert diff(save(tmp_path, of_a, tensors, "x"), save(tmp_path, of_b, tensors, "z")).equal


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("size", [1, 1 << 16, 100_000, 1 << 26])
@pytest.mark.parametrize("format", FORMATS)
def test_pieces_and_threads(
    format: str,
    size: int,
    jobs: int,
    tensors: Tensors,
    changed: Tensors,
    piece_bytes: Callable[[int], None],
    tmp_path: Path,
) -> None:
    """Figures do not depend on the size of the pieces that are read, nor on the number of threads, to the bit."""
    a, b = save(tmp_path, format, tensors, "a"), save(tmp_path, format, changed, "b")
    usual = figures(a, b, jobs=2)
    piece_bytes(size)
    assert figures(a, b, jobs=jobs) == usual


@pytest.mark.parametrize("size", [1 << 12, 1 << 16, 1 << 21])
def test_packed_dumps(
    size: int, tensors: Tensors, changed: Tensors, piece_bytes: Callable[[int], None], tmp_path: Path
) -> None:
    """Deflated and chunked arrays give the same bits as plain ones, on either side."""
    usual = figures(save(tmp_path, "npz", tensors, "a"), save(tmp_path, "npz", changed, "b"))
    save_deflated(zipped := tmp_path / "zipped.npz", tensors)
    save_hdf5(chunked := tmp_path / "chunked.h5", {n: a for n, a in changed.items() if a.ndim}, chunks=True)
    with h5py.File(chunked, "a") as file:
        file["scalar"] = changed["scalar"]
    plain = save(tmp_path, "safetensors", changed, "plain")
    diff(zipped, chunked)  # so that every module is there to be told of pieces
    piece_bytes(size)
    assert figures(zipped, chunked) == figures(zipped, plain) == usual


@pytest.mark.parametrize("size", [1 << 12, 1 << 21])
def test_column_major_order(size: int, piece_bytes: Callable[[int], None], tmp_path: Path) -> None:
    """Where one side lies in column-major order it is turned, packed or not; figures are those of row-major order."""
    a, b = two((41, 7, 101), (np.float32, np.float64))
    rows = save(tmp_path, "npz", {"w": a}, "a"), save(tmp_path, "npz", {"w": b}, "b")
    usual = figures(*rows)
    columns = (
        save(tmp_path, "npz", {"w": np.asfortranarray(a)}, "x"),
        save(tmp_path, "npz", {"w": np.asfortranarray(b)}),
    )
    save_deflated(packed := tmp_path / "packed.npz", {"w": np.asfortranarray(b)})
    figures(rows[0], packed)
    piece_bytes(size)
    assert figures(columns[0], rows[1]) == figures(rows[0], columns[1]) == figures(rows[0], packed) == usual
    assert agrees(row_of(columns[0], packed), expected(a, b))
    assert diff(rows[0], columns[0]).equal


def figures(a: Path, b: Path, **options: Any) -> str:
    """Return all that is found, in a form in which NaN equals NaN."""
    report = diff(a, b, **options)
    return repr((report.equal, report.params, report.overall))


@pytest.mark.parametrize("format", FORMATS)
def test_names_and_shapes(format: str, tmp_path: Path) -> None:
    """Tensors of one side only, or of other shapes, are differences; their norms are given, and their ratio."""
    a: dict[str, Array] = {
        "layers.10": np.array([3, 4], np.float32),
        "layers.2": np.array([1], np.float32),
        "ids": np.arange(3),
        "flat": np.ones((2, 2)),
    }
    b: dict[str, Array] = {
        "layers.10": np.array([[3, 4]], np.float32),
        "layers.2": np.array([1], np.float32),
        "flat": np.ones((4, 1)),
        "new": np.ones(9),
    }
    paths = save(tmp_path, format, a, "a"), save(tmp_path, format, b, "b")
    report = diff(*paths)
    assert not report.equal
    assert [row[:4] for row in report.params] == [
        ("flat", "reshaped", 2.0, 2.0),
        ("ids", "only-a", None, None),
        ("layers.2", "same", 1.0, 1.0),
        ("layers.10", "reshaped", 5.0, 5.0),
        ("new", "only-b", None, 3.0),
    ]
    assert [row.norm_ratio for row in report.params] == [1.0, None, 1.0, 1.0, None]
    assert all(row[5:8] == (None,) * 3 for row in report.params if row.status != "same")
    assert diff(*paths, include=["layers.2"]).equal
    assert diff(*paths, exclude=["f*", "ids", "layers.10", "new"]).equal


def test_zero_size(tmp_path: Path) -> None:
    """Empty tensors are equal if their shapes are."""
    a = save(tmp_path, "npz", {"w": np.zeros((0, 3)), "v": np.zeros((0, 3), np.int64)}, "a")
    b = save(tmp_path, "npz", {"w": np.zeros((0, 4)), "v": np.zeros((0, 3), np.float32)}, "b")
    rows = diff(a, b).params
    assert [(row.name, row.status, row.max_abs_diff, row.max_rel_diff) for row in rows] == [
        ("v", "same", 0.0, None),
        ("w", "reshaped", None, None),
    ]
    assert diff(a, a).equal


@pytest.mark.parametrize("factor", [1.0, 0.25, 1 / 3])
def test_what_apply_has_written(factor: float, gradients: Tensors, tmp_path: Path) -> None:
    """The output of `apply` points where its input does, and its norm ratio is the factor, within rounding."""
    source = save(tmp_path, "safetensors", gradients)
    norm = apply(source, strategy="clip-by-global-norm", threshold=1, dry_run=True).dumps[0].total.norm_before
    target = tmp_path / "out.h5"
    [dump] = apply(source, target, strategy="clip-by-global-norm", threshold=norm * factor).dumps
    report = diff(source, target)
    assert report.equal is (factor == 1.0)
    for row, param in zip(report.params, sorted(dump.params, key=lambda param: param.name), strict=True):
        assert row.norm_a == param.norm_before
        assert row.norm_b == param.norm_after
        if row.norm_a:
            assert row.norm_ratio == pytest.approx(factor, rel=1e-3)
            assert row.cosine == pytest.approx(1, abs=1e-5)
    assert report.overall.norm_a == norm
    assert report.overall.norm_ratio == pytest.approx(factor, rel=1e-4)


def test_overall_is_one_vector(tensors: Tensors, changed: Tensors, tmp_path: Path) -> None:
    """The last row is of all gradients that both dumps have, as one vector."""
    names = [name for name, array in tensors.items() if is_gradient(array) and name != "odd"]
    a, b = (np.concatenate([np.ravel(dump[name]).astype(float) for name in names]) for dump in (tensors, changed))
    paths = save(tmp_path, "safetensors", tensors, "a"), save(tmp_path, "npz", changed, "b")
    assert agrees(diff(*paths, exclude=["odd"]).overall, expected(a, b))


def test_shards(gradients: Tensors, tmp_path: Path) -> None:
    """A set of numbered shards is compared with a single file, as one dump."""
    whole, names = save(tmp_path, "safetensors", gradients), list(gradients)
    for k in range(3):
        part = {name: gradients[name] for name in names[k::3]}
        save(tmp_path, "safetensors", part, f"m-{k + 1:05d}-of-00003")
    report = diff(tmp_path / "m-00002-of-00003.safetensors", whole)
    assert report.equal
    assert len(report.params) == len(names)


def test_damage_is_found(gradients: Tensors, tmp_path: Path) -> None:
    """A file whose checksum is wrong is refused, also where only one side has the tensor."""
    path = save(tmp_path, "npz", {"w": np.full(1000, 7.0)}, "a")
    data = path.read_bytes()
    path.write_bytes(data.replace(np.full(3, 7.0).tobytes(), np.full(3, 8.0).tobytes(), 1))
    with pytest.raises(GradclipError, match="CRC"):
        diff(path, path)
    with pytest.raises(GradclipError, match="CRC"):
        diff(save(tmp_path, "npz", gradients, "b"), path)
