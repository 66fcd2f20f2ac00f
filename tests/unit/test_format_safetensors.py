"""safetensors files go to and come from the official library, and broken ones are refused with the reason."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save_file
from support.tensors import ORACLES, converted, gradients, raw_of, read_all, rewritten

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.opening import opened
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, from_numpy
from gradclip_cli.tensors import TensorSpec

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
}
"""Every dtype, and what the official library calls it."""
SHAPES: list[tuple[int, ...]] = [(), (0,), (3,), (2, 3), (2, 0, 4), (1, 2, 1, 3)]


def array_of(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of numbers of any of the types."""
    values = np.random.default_rng(0).standard_normal(shape) * 3
    return np.asarray(np.abs(values) if dtype.startswith("u") else values, order="C").astype(ORACLES.get(dtype, dtype))


def official(path: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """What the official library reads: dtype, shape and bytes of each tensor."""
    found = safetensors.deserialize(path.read_bytes())
    return {name: (entry["dtype"], entry["shape"], bytes(entry["data"])) for name, entry in found}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A file with every dtype, metadata, and names that are not sorted."""
    path = tmp_path / "sample.safetensors"
    save_file(
        {f"z.{k}.{dtype}": array_of(dtype, (2, 3)) for k, dtype in enumerate(CODES)},
        path,
        {"format": "pt", "note": "ü"},
    )
    return path


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_official_library_wrote_is_read(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """Every dtype and shape, 0-d and empty too, is read as it was written, bit for bit."""
    path, array = tmp_path / "a.safetensors", array_of(dtype, shape)
    save_file({"w": array}, path)
    spec, data = read_all(path)["w"]
    assert (spec.dtype.name, spec.shape, data) == (dtype, shape, array.tobytes())


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


def test_tensors_are_in_the_order_of_their_data(sample: Path) -> None:
    """Tensors come in the order in which their elements lie in the file."""
    header = json.loads(sample.read_bytes()[8 : 8 + int.from_bytes(sample.read_bytes()[:8], "little")])
    header.pop("__metadata__")
    assert list(read_all(sample)) == sorted(header, key=lambda name: header[name]["data_offsets"])


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


def test_numbers_are_aligned(tmp_path: Path) -> None:
    """In a new file the elements of every tensor lie at a multiple of their size."""
    specs = [
        TensorSpec(name, dtype, (3,))
        for name, dtype in (("b", dtypes.FLOAT8_E5M2), ("h", dtypes.FLOAT16), ("d", dtypes.FLOAT64))
    ]
    converted("safetensors", tmp_path / "a", [(spec, bytes(spec.nbytes)) for spec in specs])
    assert all((spec.offset or 0) % spec.dtype.itemsize == 0 for spec, _ in read_all(tmp_path / "a").values())


@pytest.mark.parametrize("name", ["", "a/b", "ü.層", 'quo"te', "back\\slash", "new\nline", "\x00"])
def test_any_name_comes_back(tmp_path: Path, name: str) -> None:
    """Names of any characters are written as the official library reads them."""
    converted("safetensors", tmp_path / "a", [(TensorSpec(name, dtypes.FLOAT32, (1,)), b"abcd")])
    assert list(official(tmp_path / "a")) == [name]


def test_metadata_is_named_as_what_other_formats_lose(sample: Path) -> None:
    """The keys of the metadata are what a conversion leaves out."""
    with opened(str(sample), Options()) as (_, reader):
        (extra,) = reader.extras()
    assert "format" in extra
    assert "note" in extra


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("w", DType("complex128", 16, "complex")), ("__metadata__", dtypes.FLOAT32), ("w", DType("bytes32", 4, "other"))],
)
def test_what_safetensors_cannot_hold(tmp_path: Path, name: str, dtype: DType) -> None:
    """A type that the format lacks, and its one reserved name, are errors of the output."""
    with pytest.raises(OutputError, match="cannot hold it") as caught:
        converted("safetensors", tmp_path / "a", [(TensorSpec(name, dtype, (1,)), bytes(dtype.itemsize))])
    assert caught.value.tensor == name


def entry(begin: int, end: int, shape: Any = (1,), dtype: Any = "F32") -> dict[str, Any]:
    """A tensor's entry in a header."""
    return {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape, "data_offsets": [begin, end]}


def write(folder: Path, header: Any, data: bytes, pad: int = 0) -> Path:
    """Write a file by hand; `header` is JSON's value, or its bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * pad
    (folder / "hand.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    return folder / "hand.safetensors"


WHOLE = b'{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'

BROKEN: dict[str, tuple[Any, bytes, str]] = {
    "no JSON": (b"{nonsense", b"", "not a safetensors header"),
    "not UTF-8": (b'{"\xff": 1}', b"", "not a safetensors header"),
    "nested too deep": (b'{"a":' + b"[" * 100_000, b"", "not a safetensors header"),
    "a number that is not JSON": (b'{"w": NaN}', b"", "NaN is not JSON"),
    "a name twice": (b'{"w": %b, "w": %b}' % (WHOLE, WHOLE), b"abcd", "twice"),
    "a name twice, escaped": (b'{"w": %b, "\\u0077": %b}' % (WHOLE, WHOLE), b"abcd", "twice"),
    "a key twice": (b'{"w": %b}' % WHOLE.replace(b'"dtype"', b'"dtype": "F16", "dtype"'), b"abcd", "twice"),
    "an own word twice": (b'{"__metadata__": {"a": "1", "a": "2"}, "w": %b}' % WHOLE, b"abcd", "twice"),
    "two tables of own words": (b'{"__metadata__": {}, "__metadata__": {}, "w": %b}' % WHOLE, b"abcd", "twice"),
    "a key twice in what nobody knows": (
        b'{"w": %b}' % WHOLE.replace(b"}", b', "x": {"": 1, "": 2}}'),
        b"abcd",
        "twice",
    ),
    "an entry that is no object": ({"w": 3}, b"", "no dtype, shape and data_offsets"),
    "an entry without a shape": (
        {"w": {"dtype": "F32", "data_offsets": [0, 4]}},
        b"abcd",
        "no dtype, shape and data_offsets",
    ),
    "an unknown dtype": ({"w": entry(0, 4, dtype="F99")}, b"abcd", "'F99' is not known"),
    "a dtype that is no text": ({"w": entry(0, 4, dtype=[1])}, b"abcd", "is not known"),
    "a negative size": ({"w": entry(0, 4, shape=(-1,))}, b"abcd", "whole numbers"),
    "a size that is a truth": ({"w": entry(0, 4, shape=[True])}, b"abcd", "whole numbers"),
    "a broken size": ({"w": entry(0, 4, shape=(1.0,))}, b"abcd", "whole numbers"),
    "a shape that is no list": ({"w": entry(0, 4, shape="1")}, b"abcd", "whole numbers"),
    "three offsets": ({"w": {**entry(0, 4), "data_offsets": [0, 2, 4]}}, b"abcd", "whole numbers"),
    "offsets that do not fit": ({"w": entry(0, 4, shape=(2,))}, b"abcd", "do not fit its shape"),
    "offsets turned around": ({"w": entry(4, 0)}, b"abcd", "do not fit its shape"),
    "a huge shape": ({"w": entry(0, 4, shape=(2**62, 2**62))}, b"abcd", "do not fit its shape"),
    "an overlap": ({"v": entry(0, 4), "w": entry(2, 6)}, b"abcdef", "begins at byte"),
    "a gap": ({"v": entry(0, 4), "w": entry(6, 10)}, b"abcdefghij", "begins at byte"),
    "a late begin": ({"w": entry(4, 8)}, b"abcdefgh", "begins at byte"),
    "cut short": ({"w": entry(0, 4)}, b"abc", "cut short or added to"),
    "added to": ({"w": entry(0, 4)}, b"abcdX", "cut short or added to"),
    "metadata that is no table": ({"__metadata__": [1]}, b"", "__metadata__"),
    "metadata that is no text": ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
    "a lone surrogate": (b'{"\\ud800": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"abcd", "not Unicode"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    """Whatever is wrong with a header is one line that names the file and says what it is."""
    header, data, reason = BROKEN[case]
    path = write(tmp_path, header, data)
    with pytest.raises(InputError, match=reason) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 100, 2**62])
def test_a_header_longer_than_the_file(tmp_path: Path, length: int) -> None:
    """A length that the file does not have is refused before anything is read; of no header at all the format is not known."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    with pytest.raises(InputError, match="header" if length else "safetensors"):
        read_all(path, name="safetensors")


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"", "it is empty"),
        (b"\x80\x02}q\x00.", "a pickle is never loaded"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"hello, world", "is none of safetensors"),
    ],
)
def test_what_is_no_dump_gets_advice(tmp_path: Path, data: bytes, advice: str) -> None:
    """A file of no known format is refused by its content, with what to do about it."""
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=advice):
        read_all(tmp_path / "a.safetensors")


def test_a_pickle_is_known_by_its_suffix(tmp_path: Path) -> None:
    """A file called as PyTorch calls its own is never unpickled, whatever it begins with."""
    (tmp_path / "a.pt").write_bytes(b"\x80\x04\x95")
    with pytest.raises(InputError, match="a pickle is never loaded"):
        read_all(tmp_path / "a.pt")


def test_a_file_that_changes_is_noticed(sample: Path) -> None:
    """What was written to while it was read is refused at the end."""
    with opened(str(sample), Options()) as (_, reader):
        os.utime(sample, ns=(0, 0))
        with pytest.raises(InputError, match="changed while it was read"):
            reader.verify()
