"""What is written is what the official library reads, and a copy keeps what does not change."""

from pathlib import Path

import numpy as np
import pytest
import safetensors
from support.tensors import converted, gradients, raw_of, read_all, rewritten

from gradclip_cli.errors import OutputError
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, from_numpy
from gradclip_cli.tensors import TensorSpec
from unit.formats.safetensors.made import CODES, PACKED, SHAPES, array_of, entry, official, write


def test_what_we_write_the_official_library_reads(tmp_path: Path) -> None:
    """A new file of every dtype and shape is read by the official library, bit for bit."""
    known = {dtype.name: dtype for dtype in dtypes.FLOATS}
    arrays = {(dtype, shape): array_of(dtype, shape) for dtype in CODES for shape in SHAPES}
    tensors = [
        (TensorSpec(f"{dtype}{shape}", known.get(dtype) or from_numpy(np.dtype(dtype)), shape), array.tobytes())
        for (dtype, shape), array in arrays.items()
    ]
    converted("safetensors", tmp_path / "a.safetensors", tensors)
    assert official(tmp_path / "a.safetensors") == {
        f"{dtype}{shape}": (CODES[dtype], list(shape), array.tobytes()) for (dtype, shape), array in arrays.items()
    }


def test_an_unchanged_copy_is_equal(sample: Path, tmp_path: Path) -> None:
    """A copy in which nothing changes has the same bytes."""
    rewritten(sample, tmp_path / "b", {})
    assert (tmp_path / "b").read_bytes() == sample.read_bytes()


def test_only_the_changed_elements_differ(sample: Path, tmp_path: Path) -> None:
    """A copy keeps header, metadata, order and all other tensors byte by byte."""
    before, (name, *_) = read_all(sample), [name for name in read_all(sample) if "float32" in name]
    new = raw_of(gradients(6)).tobytes()
    rewritten(sample, tmp_path / "b", {name: new})
    after = read_all(tmp_path / "b")
    assert list(after) == list(before)
    assert {key: data for key, (_, data) in after.items()} == {key: data for key, (_, data) in before.items()} | {
        name: new
    }
    with safetensors.safe_open(tmp_path / "b", "np") as file:
        assert file.metadata() == {"format": "pt", "note": "ü"}


def test_odd_headers_are_kept(tmp_path: Path) -> None:
    """A header padded in an unusual way, with a key that we do not know, is copied byte by byte."""
    source = write(tmp_path, {"w": {**entry(0, 4), "extra": 1}}, b"abcd", pad=13)
    rewritten(source, tmp_path / "b", {"w": b"efgh"})
    assert (tmp_path / "b").read_bytes() == source.read_bytes()[:-4] + b"efgh"


@pytest.mark.parametrize("code", [*PACKED, "F8_E8M0"])
def test_packed_values_are_copied(tmp_path: Path, code: str) -> None:
    """Beside a tensor that changes, packed values keep their bytes, in a copy and in a new file."""
    source = write(
        tmp_path, {"w": entry(0, 6, (48 // PACKED.get(code, ("", 8))[1],), code), "b": entry(6, 10)}, b"abcdef0000"
    )
    rewritten(source, tmp_path / "b", {"b": b"1111"})
    assert (tmp_path / "b").read_bytes() == source.read_bytes()[:-4] + b"1111"
    converted("safetensors", tmp_path / "c", list(read_all(source).values()))
    assert official(tmp_path / "c") == official(source)


def test_numbers_are_aligned(tmp_path: Path) -> None:
    """In a new file the elements of every tensor lie at a multiple of their size."""
    specs = [
        TensorSpec(name, dtype, (3,))
        for name, dtype in (("b", dtypes.FLOAT8_E5M2), ("h", dtypes.FLOAT16), ("d", dtypes.FLOAT64))
    ] + [TensorSpec("six", dtypes.FLOAT6_E2M3FN, (4,))]
    converted("safetensors", tmp_path / "a", [(spec, bytes(spec.nbytes)) for spec in specs])
    found = [spec for spec, _ in read_all(tmp_path / "a").values()]
    assert [spec.name for spec in found] == ["d", "h", "b", "six"]
    assert all((spec.offset or 0) % spec.dtype.itemsize == 0 for spec in found if spec.name != "six")


@pytest.mark.parametrize("name", ["", "a/b", "ü.層", 'quo"te', "back\\slash", "new\nline", "\x00"])
def test_any_name_comes_back(tmp_path: Path, name: str) -> None:
    """Names of any characters are written as the official library reads them."""
    converted("safetensors", tmp_path / "a", [(TensorSpec(name, dtypes.FLOAT32, (1,)), b"abcd")])
    assert list(official(tmp_path / "a")) == [name]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("w", DType("complex128", 16, "complex")), ("__metadata__", dtypes.FLOAT32), ("w", DType("bytes32", 4, "other"))],
)
def test_what_safetensors_cannot_hold(tmp_path: Path, name: str, dtype: DType) -> None:
    """A type that the format lacks, and its one reserved name, are errors of the output."""
    with pytest.raises(OutputError, match="cannot hold it") as caught:
        converted("safetensors", tmp_path / "a", [(TensorSpec(name, dtype, (1,)), bytes(dtype.itemsize))])
    assert caught.value.tensor == name
