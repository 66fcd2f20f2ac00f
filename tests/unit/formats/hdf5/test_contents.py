"""What a file holds: datasets of numbers, their types and labels, and what a conversion leaves out."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5s, h5t
from support.tensors import gradients, read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.hdf5.contents import Walk, dtype_of
from gradclip_cli.formats.opening import opened
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, from_numpy
from unit.formats.hdf5.made import PACKED, numbers


def test_hard_links_are_one_tensor(sample: Path) -> None:
    """A dataset that has two names is one tensor, links are none, and what is no number is named apart."""
    assert sorted(read_all(sample)) == sorted([*(f"{storage}/kernel" for storage in PACKED), "scalar", "steps"])
    with opened(str(sample), Options()) as (_, reader):
        assert sorted(reader.non_numeric) == ["vector", "words"]


def test_what_other_formats_lose_is_named(sample: Path) -> None:
    """Links, attributes and what is no number are what a conversion leaves out."""
    with opened(str(sample), Options()) as (_, reader):
        links, attributes, groups, others = reader.not_convertible()
    assert all(name in links for name in ("soft", "broken", "zz/hard"))
    assert all(name in attributes for name in ("/", "chunked"))
    assert "words" in others
    assert "nothing" in groups


def test_the_label_of_a_layer(sample: Path) -> None:
    """The `name` attribute of the nearest group is a label, and nothing else has one."""
    found = read_all(sample)
    assert {name: spec.label for name, (spec, _) in found.items() if spec.label} == {"chunked/kernel": "my_layer"}


def test_hard_links_in_a_circle_end(path: Path) -> None:
    """A group that holds itself is walked once."""
    with h5py.File(path, "w") as file:
        file["a/w"] = numbers()
        file["a/again"] = file["a"]
        found = Walk(None).over(file.id)
    assert ([one.name for one in found.datasets], found.aliases) == (["a/w"], [("a/again", "a")])


def test_unmarked_opaque_bytes_need_the_users_word(path: Path) -> None:
    """Two bytes of no type are bfloat16 only if the user says so."""
    with h5py.File(path, "w") as file:
        file["w"] = gradients(6, "bfloat16").view("V2")
    with pytest.raises(InputError, match="--void-dtype bfloat16") as caught:
        read_all(path)
    assert caught.value.tensor == "w"
    assert read_all(path, Options(void_dtype="bfloat16"))["w"][1] == gradients(6, "bfloat16").tobytes()


def bfloat16_type() -> Any:
    """HDF5's own float with the layout of bfloat16."""
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (h5t.IEEE_F32LE, dtypes.FLOAT32),
        (h5t.IEEE_F64BE, from_numpy(np.dtype(">f8"))),
        (h5t.IEEE_F16LE, dtypes.FLOAT16),
        (bfloat16_type(), dtypes.BFLOAT16),
        (h5t.STD_I64BE, from_numpy(np.dtype(">i8"))),
        (h5t.STD_U8LE, DType("uint8", 1, "int")),
        (h5t.py_create(np.dtype("?"), logical=True), DType("bool", 1, "bool")),
        (h5t.py_create(np.dtype("<c16"), logical=True), DType("complex128", 16, "complex")),
        (h5t.py_create(np.dtype([("a", "f4"), ("b", "i4")])), DType("other", 8, "other")),
        (h5t.py_create(np.dtype("S5")), DType("other", 5, "other")),
    ],
)
def test_types(path: Path, kind: Any, expected: DType) -> None:
    """Each datatype of a file is what it says bit by bit; what is no plain number is `other`."""
    with h5py.File(path, "w") as file:
        dataset = h5d.create(file.id, b"w", kind, h5s.create_simple((2,)))
        assert dtype_of(dataset, None) == expected


@pytest.mark.skipif(not hasattr(h5t, "COMPLEX"), reason="HDF5 before 2.0 has no such type")
@pytest.mark.parametrize(("name", "code"), [("COMPLEX_IEEE_F32LE", "<c8"), ("COMPLEX_IEEE_F64BE", ">c16")])
def test_complex_numbers_of_their_own_class(name: str, code: str, path: Path) -> None:
    """Complex numbers are complex, whether HDF5 has a class for them or h5py a pair."""
    values = np.array([1 + 2j, 3 - 4j], code)
    with h5py.File(path, "w") as file:
        dataset = h5d.create(file.id, b"w", getattr(h5t, name), h5s.create_simple((2,)))
        dataset.write(h5s.ALL, h5s.ALL, values)
    [(spec, raw)] = read_all(path).values()
    assert (spec.dtype, raw) == (from_numpy(values.dtype), values.tobytes())


def test_an_unknown_float_is_refused(path: Path) -> None:
    """A float of an unusual layout is never taken for a usual one."""
    kind = h5t.IEEE_F32LE.copy()
    kind.set_ebias(126)
    with h5py.File(path, "w") as file:
        h5d.create(file.id, b"w", kind, h5s.create_simple((2,)))
    with pytest.raises(InputError, match="floats of 4 bytes"):
        read_all(path)


LABELS = {
    "empty": h5py.Empty("S10"),
    "none": np.array([], "S5"),
    "several": np.array([b"a", b"b"]),
    "number": 3,
    "long": "x" * 1001,
}


@pytest.mark.parametrize("value", [*LABELS.values()], ids=[*LABELS])
def test_attributes_that_are_no_labels(value: Any, path: Path) -> None:
    """An attribute that is called `name` or `dtype`, and holds no short text, says nothing of a layer or of elements."""
    with h5py.File(path, "w") as file:
        file["layer/w"] = np.ones(3, np.float32)
        file["layer"].attrs["name"] = file["layer/w"].attrs["dtype"] = value
    [(spec, _)] = read_all(path).values()
    assert (spec.name, spec.label) == ("layer/w", None)


def test_a_dataset_that_grows(path: Path) -> None:
    """A tensor grows if its first axis is unlimited; another axis, or a limit that is a number, does not count."""
    limits = {"log": (None, 3), "both": (None, None), "other": (4, None), "ten": (10, 3), "fixed": None}
    with h5py.File(path, "w") as file:
        for name, limit in limits.items():
            file.create_dataset(name, data=np.ones((4, 3)), maxshape=limit)
        file["one"] = 1.0
    with opened(str(path), Options()) as (_, reader):
        assert [spec.name for spec in reader.tensors if spec.grows] == ["both", "log"]
