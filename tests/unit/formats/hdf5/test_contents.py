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
from gradclip_cli.formats.hdf5.contents import Walk, dtype_of, holds_floats
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


HOLDING = {
    "list": (h5py.vlen_dtype("f4"), True),
    "list of integers": (h5py.vlen_dtype("i4"), False),
    "record": (np.dtype([("a", "i4"), ("b", [("c", "f8", (3,))])]), True),
    "record of complex": (np.dtype([("a", "i4"), ("b", "c8")]), True),
    "record of words": (np.dtype([("a", "i4"), ("b", "S5")]), False),
    "list of records": (h5py.vlen_dtype(np.dtype([("a", "f2"), ("b", "i4")])), True),
    "words": (h5py.string_dtype(), False),
    "references": (h5py.ref_dtype, False),
}
"""Types of elements that are not numbers, and whether they hold floats."""


@pytest.mark.parametrize(("dtype", "floats"), HOLDING.values(), ids=HOLDING)
def test_what_holds_floats_without_being_numbers(dtype: Any, floats: bool, path: Path) -> None:
    """Records and lists that hold floats, however deep, are told from those that hold none."""
    with h5py.File(path, "w") as file:
        file.create_dataset("other", (2,), dtype)
        file["w"] = np.ones(3)
    with opened(str(path), Options()) as (_, reader):
        assert (reader.non_numeric, reader.unmeasured) == (["other"], ["other"] if floats else [])


def test_what_is_too_deep_may_hold_floats(path: Path) -> None:
    """A type is not followed for ever: what cannot be seen is said, and not passed over."""
    kind = h5t.py_create(np.dtype("i4"), logical=True)
    for _ in range(9):
        kind = h5t.vlen_create(kind)
    assert holds_floats(kind)
    assert not holds_floats(kind.get_super().get_super())


@pytest.mark.parametrize(
    ("shape", "storage", "grows"),
    [
        ((4, 3), {"maxshape": (None, 3)}, True),
        ((4,), {"maxshape": (None,)}, True),
        ((4, 3), {"maxshape": (4, None)}, False),
        ((4, 3), {"maxshape": (8, 3)}, False),
        ((4, 3), {"chunks": (2, 3)}, False),
        ((4, 3), {}, False),
        ((), {}, False),
    ],
)
def test_a_first_axis_without_a_limit(shape: tuple[int, ...], storage: dict[str, Any], grows: bool, path: Path) -> None:
    """A dataset grows if its first axis has no limit, whatever its others have."""
    with h5py.File(path, "w") as file:
        file.create_dataset("w", shape, "f4", **storage)
    assert read_all(path)["w"][0].grows is grows


@pytest.mark.parametrize("names", [("real", "imag"), ("re", "im"), ("Re", "Im"), ("r", "i")])
@pytest.mark.parametrize("part", ["<f4", ">f4", "<f8", ">f8"])
def test_complex_numbers_of_other_writers(names: tuple[str, str], part: str, path: Path) -> None:
    """A compound of two equal floats that are called after the parts of complex numbers is complex, in either byte order."""
    values = np.zeros(2, [(name, part) for name in names])
    values[names[0]], values[names[1]] = [3, 0], [4, 12]
    with h5py.File(path, "w") as file:
        file["w"] = values
    spec, raw = read_all(path)["w"]
    assert (spec.dtype.name, spec.dtype.swapped) == (f"complex{8 * values.dtype.itemsize}", part[0] == ">")
    assert raw == values.tobytes()


@pytest.mark.parametrize(
    "dtype",
    [
        [("real", "f4"), ("imag", "f8")],
        [("imag", "f4"), ("real", "f4")],
        [("real", "i4"), ("imag", "i4")],
        [("real", "f2"), ("imag", "f2")],
        [("real", "f4"), ("imag", "f4"), ("more", "f4")],
        {"names": ["real", "imag"], "formats": ["f4", "f4"], "offsets": [0, 8]},
    ],
)
def test_pairs_that_are_no_complex_numbers(dtype: Any, path: Path) -> None:
    """Other types, other names, other places and more members are records."""
    with h5py.File(path, "w") as file:
        file["z"], file["w"] = np.zeros(2, dtype), np.ones(1)
    with opened(str(path), Options()) as (_, reader):
        assert reader.non_numeric == ["z"]


def test_a_second_name_is_noted(path: Path) -> None:
    """A dataset that two links lead to is one tensor, under one of its names; a note says which."""
    with h5py.File(path, "w") as file:
        file["fc/w"] = np.ones(2)
        file["again"] = file["fc/w"]
    with opened(str(path), Options()) as (_, reader):
        assert [spec.name for spec in reader.tensors] == ["again"]
        assert [note.text.partition(": ")[2] for note in reader.notes] == [
            "second names of datasets, which count once: fc/w is again"
        ]
