"""Headers of arrays are those of numpy, and broken ones are refused with the reason."""

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.tensors import read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats.npz import npy
from gradclip_cli.numerics.dtypes import from_numpy
from gradclip_cli.tensors import TensorSpec
from unit.formats.npz.made import fields, npy_bytes

BROKEN_NPY: dict[str, tuple[bytes, str]] = {
    "no magic": (b"hello" * 9, "is not a .npy array"),
    "empty": (b"", "is not a .npy array"),
    "unknown version": (npy_bytes(header=fields(), version=(9, 0), data=bytes(4)), "version"),
    "long header": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 30) + bytes(100), "header of 1,073,741,824 bytes"),
    "cut in its header": (npy_bytes(header=fields())[:30], "ends inside"),
    "no literal": (npy_bytes(header="__import__('os')", data=bytes(4)), "cannot be read"),
    "too deep": (npy_bytes(header="(" * 9000, data=bytes(4)), "cannot be read"),
    "a list": (npy_bytes(header="[1]", data=bytes(4)), "without exactly"),
    "one key more": (npy_bytes(header=fields()[:-1] + ", 'x': 1}", data=bytes(4)), "without exactly"),
    "negative shape": (npy_bytes(header=fields(shape="(-1,)"), data=bytes(4)), "has the shape"),
    "shape of truths": (npy_bytes(header=fields(shape="(True,)"), data=bytes(4)), "has the shape"),
    "shape that is a list": (npy_bytes(header=fields(shape="[1]"), data=bytes(4)), "has the shape"),
    "order that is a number": (npy_bytes(header=fields(order="1"), data=bytes(4)), "fortran_order"),
    "unknown dtype": (npy_bytes(header=fields("'zz'"), data=bytes(4)), "numpy does not know"),
    "a dtype that is a number": (npy_bytes(header=fields("4"), data=bytes(4)), "neither a text nor a list"),
    "a field without a dtype": (npy_bytes(header=fields("[('a',)]"), data=bytes(4)), "numpy does not know"),
    "a title without a hash": (
        npy_bytes(header=fields("[(({'names': ['a'], 'formats': ['f4']}, 'x'), '<f4')]"), data=bytes(4)),
        "numpy does not know",
    ),
    "a structure that is cut short": (npy_bytes(np.zeros(2, [("a", "f4")]))[:-4], "declares 8 bytes"),
    "elements missing": (npy_bytes(np.zeros(9, "f4"))[:-4], "declares 36 bytes"),
    "elements too many": (npy_bytes(np.zeros(9, "f4")) + b"x", "declares 36 bytes"),
}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("case", BROKEN_NPY)
def test_a_broken_array_is_refused_with_its_reason(path: Path, case: str, method: int) -> None:
    """Whatever is wrong with a header is one line that names the archive and the member."""
    data, reason = BROKEN_NPY[case]
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("w.npy", data)
    with pytest.raises(InputError, match=reason) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path}: w.npy: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_headers_of_all_versions(version: tuple[int, int], order: str) -> None:
    """The header of each version that numpy writes is parsed, and kept byte by byte."""
    data = npy_bytes(np.zeros((2, 3), ">f8", order), version=version)  # type: ignore[call-overload]
    found = npy.parse(data, None)
    assert (found.raw, found.shape, found.dtype, found.fortran) == (
        data[:-48],
        (2, 3),
        from_numpy(np.dtype(">f8")),
        order == "F",
    )
    assert found.nbytes == 48


@pytest.mark.parametrize("shape", [(), (4,), (0,), (2, 3, 4)])
@pytest.mark.parametrize("code", ["<f4", ">f8", "<i2", "|b1"])
def test_headers_are_those_of_numpy(shape: tuple[int, ...], code: str) -> None:
    """The header of a tensor is the one that numpy writes."""
    array = np.zeros(shape, code)
    assert npy.header(TensorSpec("w", from_numpy(array.dtype), shape)) + array.tobytes() == npy_bytes(
        array, version=(1, 0)
    )


@pytest.mark.parametrize(
    ("descr", "pickled", "may_hide_floats"),
    [
        ("'|O'", True, False),
        ("'|O8'", True, False),
        ("[('a', '<f4'), ('b', '|O')]", True, True),
        ("[('a', '<f4'), ('b', '<i4')]", False, True),
        ("[('a', [('b', '<c8')])]", False, True),
        ("[('a', '<f2', (3,))]", False, True),
        ("('<f4', (2,))", False, True),
        ("[('a', '<i4'), ('b', '|S3')]", False, False),
        ("'|V3'", False, True),
        ("'<U5'", False, False),
        ("'<M8[D]'", False, False),
    ],
)
def test_what_is_no_number(descr: str, pickled: bool, may_hide_floats: bool) -> None:
    """Objects, structures, bytes of no type, texts and dates are no numbers; floats inside them are known of."""
    found = npy.parse(npy_bytes(header=fields(descr)), None)
    assert (found.is_numbers, found.pickled, found.may_hide_floats) == (False, pickled, may_hide_floats)


@pytest.mark.parametrize(("shape", "expected"), [("(184)", (184,)), ("7", (7,)), ("(184,)", (184,)), ("()", ())])
def test_a_plain_number_is_a_shape_of_one_dimension(shape: str, expected: tuple[int, ...]) -> None:
    """Other writers leave out the comma of `(184,)`; numpy cannot read that."""
    found = npy.parse(npy_bytes(header=fields(shape=shape)), None)
    assert (found.shape, found.plain) == (expected, shape.endswith(",)") or shape == "()")
