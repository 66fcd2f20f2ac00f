"""What goes in comes out: names, shapes, dtypes and values, through every pair of formats."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.matrices import crossed
from support.official import (
    BFLOAT16,
    E4M3FN,
    E5M2,
    FNUZ,
    Array,
    Tensors,
    all_bits,
    beside,
    clip,
    load,
    save,
    save_deflated,
    save_hdf5,
)

from gradclip_cli import GradclipError
from gradclip_cli.formats import FORMATS

PAIRS = [pytest.param(source, target, id=f"{source}-{target}") for source in FORMATS for target in FORMATS]
VALUES = np.array([[1.5, -0.0, 3e-7], [-2.25, 0.375, 6e4]])

CASES: dict[str, Array] = {
    **{dtype: VALUES.astype(dtype) for dtype in ("float64", "float32", "float16")},
    "bfloat16": VALUES.astype(BFLOAT16),
    **{dtype: np.array([[0, 1], [2, 100]], dtype) for dtype in ("int8", "int32", "int64", "uint8", "uint16", "uint64")},
    "bool": np.array([True, False, True]),
    "0-d": np.asarray(-1.25, np.float32),
    "0-d-bfloat16": np.asarray(-1.25).astype(BFLOAT16),
    "0-d-int": np.asarray(7),
    "empty": np.zeros((0, 3), np.float32),
    "empty-inside": np.zeros((2, 0, 3)),
    "one": np.ones((1, 1, 1, 1), np.float16),
    "subnormal": np.array([5e-324, 2.5e-310]),
}
"""Arrays that every format can hold."""

UNUSUAL: dict[str, Tensors] = {
    "unicode": {"größe.重み": VALUES},
    "spaces": {"a b . c": VALUES, " ": VALUES[0]},
    "markup": {"[red]w[/red]": VALUES},
    "slashes": {"encoder/dense/kernel:0": VALUES, "encoder/dense/bias:0": VALUES[0]},
    "long": {"layer." * 40 + "weight": VALUES},
}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_all_values_survive_together(source: str, target: str, tmp_path: Path) -> None:
    """Tensors of all kinds in one dump have the same names, shapes, dtypes and elements in any format."""
    tensors = {f"layer.{case}": array for case, array in CASES.items()}
    path = save(tmp_path, source, tensors)
    out = beside(path, target)
    clip(path, out, strategy="none", output_dtype="keep")
    assert all_bits(load(out)) == all_bits(tensors)


@pytest.mark.parametrize(("case", "source", "target"), crossed(CASES, FORMATS, FORMATS, rounds=3))
def test_values_survive(case: str, source: str, target: str, tmp_path: Path) -> None:
    """A tensor that is not clipped has the same name, shape, dtype and elements in any format."""
    tensors = {"layer.tensor": CASES[case], "layer.other": np.ones(2, np.float32)}
    path = save(tmp_path, source, tensors)
    out = beside(path, target)
    clip(path, out, strategy="none", output_dtype="keep")
    assert all_bits(load(out)) == all_bits(tensors)


@pytest.mark.parametrize(("names", "source", "target"), crossed(UNUSUAL, FORMATS, FORMATS, rounds=3))
def test_names_survive(names: str, source: str, target: str, tmp_path: Path) -> None:
    """Output tensors keep their names exactly."""
    path = save(tmp_path, source, UNUSUAL[names])
    out = beside(path, target)
    clip(path, out, strategy="none")
    assert all_bits(load(out)) == all_bits(UNUSUAL[names])


@pytest.mark.parametrize("dtype", [E4M3FN, E5M2, *FNUZ], ids=str)
def test_float8_survives(dtype: np.dtype, tmp_path: Path) -> None:
    """All 256 values of a float8 pass through safetensors, NaN payloads too."""
    tensors = {"w": np.arange(256, dtype=np.uint8).view(dtype)}
    path = save(tmp_path, "safetensors", tensors)
    out = beside(path, "safetensors")
    clip(path, out, strategy="none", nonfinite="skip")
    assert all_bits(load(out)) == all_bits(tensors)


@pytest.mark.parametrize("target", [name for name in FORMATS if name in ("hdf5", "npz")])
def test_float8_is_refused_elsewhere(target: str, tmp_path: Path) -> None:
    """A float8 tensor cannot be converted to a format that has no such type: exit 5, and no file."""
    path = save(tmp_path, "safetensors", {"w": np.ones(3).astype(E5M2)})
    out = beside(path, target)
    with pytest.raises(GradclipError, match="float8_e5m2") as caught:
        clip(path, out, strategy="none")
    assert caught.value.exit_code == 5
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def fortran(folder: Path, tensors: Tensors) -> Path:
    """Write an npz archive in column-major order."""
    return save(folder, "npz", {name: np.asfortranarray(array) for name, array in tensors.items()})


def big_endian_npz(folder: Path, tensors: Tensors) -> Path:
    """Write an npz archive with the bytes of every number turned round."""
    return save(folder, "npz", {name: array.astype(array.dtype.newbyteorder(">")) for name, array in tensors.items()})


def big_endian_hdf5(folder: Path, tensors: Tensors) -> Path:
    """Write an HDF5 file with the bytes of every number turned round."""
    return save(folder, "hdf5", {name: array.astype(array.dtype.newbyteorder(">")) for name, array in tensors.items()})


def deflated(folder: Path, tensors: Tensors) -> Path:
    """Write a packed npz archive."""
    save_deflated(folder / "g.npz", tensors)
    return folder / "g.npz"


def deflated_fortran(folder: Path, tensors: Tensors) -> Path:
    """Write a packed npz archive in column-major order."""
    return deflated(folder, {name: np.asfortranarray(array) for name, array in tensors.items()})


def chunked(folder: Path, tensors: Tensors) -> Path:
    """Write an HDF5 file whose datasets are chunked, shuffled and packed."""
    options = {"chunks": True, "compression": "gzip", "shuffle": True}
    save_hdf5(folder / "g.h5", {name: array for name, array in tensors.items() if array.ndim}, **options)
    return folder / "g.h5"


def chunked_before_contiguous(folder: Path, tensors: Tensors) -> Path:
    """Write an HDF5 file whose first dataset is chunked, and whose last is contiguous and ends where the file does."""
    first, *rest = tensors.items()
    save_hdf5(folder / "g.h5", dict([first]), chunks=True)
    for name, array in rest:
        with h5py.File(folder / "g.h5", "a") as file:
            file[name] = array
    return folder / "g.h5"


STORED = [chunked_before_contiguous, fortran, big_endian_npz, big_endian_hdf5, deflated, deflated_fortran, chunked]


@pytest.mark.parametrize(("store", "target"), crossed(STORED, FORMATS, rounds=2))
def test_any_storage_is_clipped_alike(store: Callable[[Path, Tensors], Path], target: str, tmp_path: Path) -> None:
    """Byte order, element order, chunks and compression change nothing in what is computed."""
    rng = np.random.default_rng(3)
    tensors: Tensors = {
        "a.w": rng.standard_normal((61, 7, 53)),
        "a.b": rng.standard_normal((300, 5)).astype(np.float32),
        "b.w": rng.standard_normal((17, 9)).astype(np.float16),
        "b.n": np.arange(12, dtype=np.int32).reshape(3, 4),
    }
    path = store(tmp_path, tensors)
    out = beside(path, target)
    clip(path, out, strategy="clip-by-value", threshold=0.5)
    limited = {name: a if a.dtype.kind == "i" else np.clip(a, -0.5, 0.5) for name, a in tensors.items()}
    assert all_bits(load(out)) == all_bits(limited)
