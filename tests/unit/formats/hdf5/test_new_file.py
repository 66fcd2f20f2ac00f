"""What is written anew is what h5py reads."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from support.tensors import converted, gradients, raw_of, read_all

from gradclip_cli.errors import OutputError
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, from_numpy
from gradclip_cli.tensors import TensorSpec
from unit.formats.hdf5.made import numbers


def test_what_we_write_h5py_reads(path: Path) -> None:
    """A new file has groups for the `/` in names, and datasets in the machine's byte order."""
    arrays = {
        "a/b/w": numbers(),
        "a/c": numbers(">f8"),
        "s": np.array(1.5, "f2"),
        "e": np.zeros((2, 0)),
        "ü/層": np.arange(3),
        "m": np.array([True]),
    }
    native = {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    converted(
        "hdf5", path, [(TensorSpec(n, from_numpy(a.dtype), a.shape), native[n].tobytes()) for n, a in arrays.items()]
    )
    with h5py.File(path) as file:
        for name, array in native.items():
            assert (file[name].dtype, file[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(file[name][()], array)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """A new file holds no time stamps."""
    tensors = [(TensorSpec("a/w", dtypes.FLOAT32, (10, 8)), numbers().tobytes())]
    for name in ("a.h5", "b.h5"):
        converted("hdf5", tmp_path / name, tensors)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_bfloat16_is_marked_as_keras_marks_it(path: Path) -> None:
    """bfloat16 is written as two opaque bytes with a `dtype` attribute, and read back by it."""
    data = raw_of(gradients(6, "bfloat16")).tobytes()
    converted("hdf5", path, [(TensorSpec("w", dtypes.BFLOAT16, (6,)), data)])
    with h5py.File(path) as file:
        assert (file["w"].dtype, file["w"].attrs["dtype"], file["w"][:].tobytes()) == (np.dtype("V2"), "bfloat16", data)
    assert read_all(path)["w"][0].dtype == dtypes.BFLOAT16


@pytest.mark.parametrize(
    ("names", "dtype", "shape", "reason"),
    [
        (["w"], dtypes.FLOAT8_E4M3FN, (1,), "has no float8_e4m3fn"),
        (["w"], dtypes.FLOAT32, (1,) * 33, "33 dimensions"),
        (["a", "a/b"], dtypes.FLOAT32, (1,), "needs a group of this name"),
        (["a//b"], dtypes.FLOAT32, (1,), "no such name"),
        (["../b"], dtypes.FLOAT32, (1,), "no such name"),
        ([""], dtypes.FLOAT32, (1,), "no such name"),
        (["a\0b"], dtypes.FLOAT32, (1,), "no such name"),
    ],
)
def test_what_hdf5_cannot_hold(path: Path, names: list[str], dtype: DType, shape: tuple[int, ...], reason: str) -> None:
    """float8, too many dimensions, and names that are no paths are errors of the output."""
    with pytest.raises(OutputError, match=reason) as caught:
        converted("hdf5", path, [(TensorSpec(name, dtype, shape), bytes(dtype.itemsize)) for name in names])
    assert caught.value.tensor == names[0]


@pytest.mark.parametrize("name", [".", "a.b", "...", "a b", "x" * 2000])
def test_odd_names(path: Path, name: str) -> None:
    """A name of dots is refused where HDF5 takes it for a folder; any other is written."""
    tensors = [(TensorSpec(name, dtypes.FLOAT32, (1,)), bytes(4))]
    if name == ".":
        with pytest.raises(OutputError, match="no such name"):
            converted("hdf5", path, tensors)
        return
    converted("hdf5", path, tensors)
    with h5py.File(path) as file:
        assert list(file) == [name]
