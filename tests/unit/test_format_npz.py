"""npz archives go to and come from numpy and zipfile, and broken ones are refused with the reason."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import converted, gradients, raw_of, read_all, rewritten

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.npz import archive as archives
from gradclip_cli.formats.npz import deflate, npy
from gradclip_cli.formats.npz.deflate import Deflater, Inflater
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, from_numpy
from gradclip_cli.storage.random_access import InputFile
from gradclip_cli.tensors import TensorSpec

ARRAYS: dict[str, NDArray[Any]] = {
    "z": gradients(5),
    "a/b": gradients(24, "float64").reshape(2, 3, 4),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((3, 0), np.float32),
    "big": gradients(6).astype(">f4").reshape(2, 3),
    "turned": np.asfortranarray(gradients(12, "float16").reshape(3, 4)),
    "ids": np.arange(7),
    "mask": np.array([True, False]),
    "wide": np.zeros(40_000, np.float32),
}
savers = pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
Save = Callable[..., None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its archive."""
    return tmp_path / "a.npz"


def members(path: Path) -> dict[str, tuple[int, int, bytes]]:
    """Method, CRC and content of each member, as zipfile reads them."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {info.filename: (info.compress_type, info.CRC, archive.read(info)) for info in archive.infolist()}


@savers
def test_what_numpy_saved_is_read(path: Path, save: Save) -> None:
    """Arrays of every kind, stored or deflated, are read as they lie in the file."""
    save(path, **ARRAYS)
    found = read_all(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        spec, data = found[name]
        assert (spec.shape, spec.dtype, data) == (array.shape, from_numpy(array.dtype), array.tobytes("A")), name
        assert spec.fortran == (name == "turned")
        assert (spec.offset is None) == (save is np.savez_compressed)


@savers
def test_an_unchanged_copy_has_the_same_members(path: Path, tmp_path: Path, save: Save) -> None:
    """A copy keeps the order, the packing and the bytes of every member, and a copy of the copy is the same file."""
    save(path, **ARRAYS)
    rewritten(path, tmp_path / "b", {})
    rewritten(tmp_path / "b", tmp_path / "c", {})
    assert members(tmp_path / "b") == members(path)
    assert list(members(tmp_path / "b")) == list(members(path))
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


@savers
@pytest.mark.parametrize("name", ["z", "scalar", "empty", "big", "turned", "wide"])
def test_a_changed_array_keeps_its_header_and_packing(path: Path, tmp_path: Path, save: Save, name: str) -> None:
    """A changed array is packed as it was, with its own dtype, byte order and layout; the others are the same."""
    save(path, **ARRAYS)
    new = ARRAYS[name].copy("K")
    new[...] = np.arange(new.size).reshape(new.shape)
    rewritten(path, tmp_path / "b", {name: new.tobytes("A")})
    before, after = members(path), members(tmp_path / "b")
    assert list(after) == list(before)
    assert [method for method, _, _ in after.values()] == [method for method, _, _ in before.values()]
    with np.load(tmp_path / "b") as found:
        for key, array in ARRAYS.items():
            expected = new if key == name else array
            assert (found[key].dtype, found[key].flags.f_contiguous) == (expected.dtype, expected.flags.f_contiguous)
            np.testing.assert_array_equal(found[key], expected)


def test_all_deflated_arrays_change_in_any_order(path: Path, tmp_path: Path) -> None:
    """Deflated arrays that are filled in another order than the archive's stand in their old order."""
    np.savez_compressed(path, a=gradients(9), b=gradients(5), c=gradients(7))
    new = {name: raw_of(gradients(size, seed=9)).tobytes() for name, size in (("c", 7), ("a", 9), ("b", 5))}
    rewritten(path, tmp_path / "b", new)
    with np.load(tmp_path / "b") as found:
        assert {name: found[name].tobytes() for name in found.files} == new
        assert found.files == ["a", "b", "c"]


def test_mixed_and_foreign_members_are_kept(path: Path, tmp_path: Path) -> None:
    """Members that are no arrays of numbers stay, and are named."""
    np.savez(path, w=gradients(3), words=np.array(["a", "b"]))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", "hello" * 100)
    assert list(read_all(path)) == ["w"]
    rewritten(path, tmp_path / "b", {"w": bytes(12)})
    assert members(tmp_path / "b")["notes.txt"] == members(path)["notes.txt"]
    assert members(tmp_path / "b")["words.npy"] == members(path)["words.npy"]
    with np.load(tmp_path / "b") as found:
        assert found["w"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("code", ["f8", "f4", "f2", ">f4", "i8", "u1", "?", "c16"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_what_we_write_numpy_loads(path: Path, code: str, shape: tuple[int, ...]) -> None:
    """A new archive holds stored arrays that numpy loads, in the machine's byte order."""
    array = (
        (np.arange(int(np.prod(shape))).reshape(shape) * 3 - 5).astype(code).astype(np.dtype(code).newbyteorder("="))
    )
    converted("npz", path, [(TensorSpec("a/w", from_numpy(np.dtype(code)), shape), array.tobytes())])
    with np.load(path) as found:
        assert found["a/w"].dtype == array.dtype
        assert found["a/w"].shape == shape
        np.testing.assert_array_equal(found["a/w"], array)


def test_a_new_archive_has_the_members_of_savez(path: Path, tmp_path: Path) -> None:
    """A new archive has the members that numpy.savez writes: the same names, headers, elements and CRCs."""
    arrays = {name: array for name, array in ARRAYS.items() if name not in ("big", "turned")}
    converted(
        "npz",
        path,
        [(TensorSpec(name, from_numpy(array.dtype), array.shape), array.tobytes()) for name, array in arrays.items()],
    )
    np.savez(tmp_path / "b.npz", **arrays)
    assert members(path) == members(tmp_path / "b.npz")


def test_bfloat16_is_opaque_and_named(path: Path) -> None:
    """bfloat16 is written as |V2 with a note, and read back only when the user says what it is."""
    data = raw_of(gradients(5, "bfloat16")).tobytes()
    (note,) = converted("npz", path, [(TensorSpec("w", dtypes.BFLOAT16, (5,)), data)])
    assert "--void-dtype bfloat16" in note
    with np.load(path) as found:
        assert found["w"].dtype == np.dtype("V2")
    spec, found_data = read_all(path, Options(void_dtype="bfloat16"))["w"]
    assert (spec.dtype, found_data) == (dtypes.BFLOAT16, data)
    with pytest.raises(InputError, match="--void-dtype bfloat16"):
        read_all(path)


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "reason"),
    [
        ("w", dtypes.FLOAT8_E4M3FN, (1,), "numpy has no float8_e4m3fn"),
        ("w", dtypes.FLOAT8_E5M2, (1,), "numpy has no float8_e5m2"),
        ("w", dtypes.FLOAT32, (1,) * 65, "65 dimensions"),
        ("w\0", dtypes.FLOAT32, (1,), "NUL"),
        ("w" * 70_000, dtypes.FLOAT32, (1,), "too long"),
    ],
)
def test_what_npz_cannot_hold(path: Path, name: str, dtype: DType, shape: tuple[int, ...], reason: str) -> None:
    """float8, too many dimensions, and names that zip cannot hold are errors of the output."""
    with pytest.raises(OutputError, match=reason):
        converted("npz", path, [(TensorSpec(name, dtype, shape), bytes(dtype.itemsize))])


def test_names_that_numpy_would_confuse(path: Path) -> None:
    """`x` and `x.npy` cannot stand in one archive."""
    specs = [TensorSpec(name, dtypes.FLOAT32, (1,)) for name in ("x", "x.npy")]
    with pytest.raises(OutputError, match="numpy takes it for"):
        converted("npz", path, [(spec, bytes(4)) for spec in specs])


@pytest.mark.parametrize("name", ["ü", "層.weight", "a b", "x" * 300])
def test_names_of_any_alphabet(path: Path, name: str) -> None:
    """Names that are not ASCII are written as numpy reads them."""
    converted("npz", path, [(TensorSpec(name, dtypes.FLOAT32, (1,)), bytes(4))])
    with np.load(path) as found:
        assert found.files == [name]


def npy_bytes(
    array: NDArray[Any] | None = None, header: str | None = None, version: tuple[int, int] = (1, 0), data: bytes = b""
) -> bytes:
    """A .npy array as numpy writes it, or with a header by hand."""
    if array is not None:
        out = io.BytesIO()
        np.lib.format.write_array(out, array, version)
        return out.getvalue()
    text = (header or "").encode("latin-1")
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + data


def fields(descr: str = "'<f4'", order: str = "False", shape: str = "(1,)") -> str:
    """A header's text."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


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
    "structured": (npy_bytes(np.zeros(1, [("a", "f4")])), "structured dtype"),
    "objects": (npy_bytes(header=fields("'|O'"), data=bytes(4)), "never loaded"),
    "unknown dtype": (npy_bytes(header=fields("'zz'"), data=bytes(4)), "numpy does not know"),
    "opaque": (npy_bytes(np.zeros(1, "V3")), "only plain numbers"),
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


def broken(path: Path, change: Callable[[bytes], bytes]) -> str:
    """What is said of an archive whose bytes were changed."""
    np.savez(path, first=np.arange(200, dtype="f4"), second=np.ones(300, "f8"))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert str(caught.value).isprintable()
    return caught.value.message


def patched(at: Callable[[bytes], int], new: bytes) -> Callable[[bytes], bytes]:
    """Replace bytes at a place."""

    def change(data: bytes) -> bytes:
        start = at(data)
        return data[:start] + new + data[start + len(new) :]

    return change


def central(offset: int) -> Callable[[bytes], int]:
    """A place in the first entry of the directory."""
    return lambda data: data.index(b"PK\x01\x02") + offset


def end(offset: int) -> Callable[[bytes], int]:
    """A place in the end record."""
    return lambda data: data.rindex(b"PK\x05\x06") + offset


BROKEN_ZIP: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda data: data[:-30], "no central directory"),
    "added to": (lambda data: data + b"x", "no central directory"),
    "bytes before it": (lambda data: b"PK\x03\x04" + data, "central directory is not where"),
    "a damaged directory": (patched(central(0), b"XXXX"), "directory is damaged"),
    "encrypted": (patched(central(8), b"\x01\x00"), "is encrypted"),
    "another disk": (patched(central(34), b"\x07\x00"), "another disk"),
    "no local header": (patched(central(42), b"\x05\x00\x00\x00"), "no local header"),
    "another name": (patched(lambda data: 30, b"thief"), "contradicts the directory"),
    "another method": (patched(central(10), b"\x08\x00"), "contradicts the directory"),
    "another size": (patched(central(24), b"\x05\x00\x00\x00"), "is stored, yet"),
    "too many members": (patched(end(8), b"\x09\x00\x09\x00"), "lists 2 members"),
    "several disks": (patched(end(4), b"\x01\x00"), "disk of several"),
    "another CRC": (patched(central(16), b"abcd"), "contradicts the directory"),
    "changed elements": (patched(lambda data: 400, b"oops"), "CRC is wrong"),
}


@pytest.mark.parametrize("case", BROKEN_ZIP)
def test_a_broken_archive_is_refused_with_its_reason(path: Path, case: str) -> None:
    """Whatever contradicts the directory, and whatever a checksum shows, is refused in one line."""
    change, reason = BROKEN_ZIP[case]
    assert reason in broken(path, change)


@pytest.mark.parametrize("at", range(90, 1000, 130))
def test_a_damaged_deflated_member(path: Path, at: int) -> None:
    """A deflated array of which a byte was changed is refused, wherever that is: the stream, the header or the CRC is wrong."""
    np.savez_compressed(path, w=gradients(400))
    data = bytearray(path.read_bytes())
    data[at] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be unpacked|CRC|\.npy"):
        read_all(path)


def test_a_name_twice(path: Path) -> None:
    """Two members of one name are refused."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", npy_bytes(np.zeros(1)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w.npy", npy_bytes(np.zeros(1)))
    with pytest.raises(InputError, match="stands twice"):
        read_all(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_refused(path: Path, method: int) -> None:
    """An array that is packed by a method that numpy never uses is refused, with the way out."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("w.npy", npy_bytes(np.zeros(9)))
    with pytest.raises(InputError, match="savez_compressed"):
        read_all(path)


def test_an_archive_that_unpacks_to_very_much(path: Path) -> None:
    """A small file that claims to hold very much is refused unless it is allowed."""
    np.savez(path, w=np.zeros(9, "f4"))
    huge = struct.pack("<Q", 5 << 30)
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")
    extra = struct.pack("<HH", 1, 8) + huge
    entry = bytearray(data[at : data.rindex(b"PK\x05\x06")])
    entry[10:12], entry[24:28], entry[30:32] = b"\x08\x00", b"\xff" * 4, struct.pack("<H", len(extra))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) + len(extra), at, 0)
    head = bytearray(data[:at])
    head[8:10] = b"\x08\x00"
    path.write_bytes(bytes(head) + bytes(entry) + extra + tail)
    with pytest.raises(InputError, match="--allow-huge"):
        read_all(path)


def test_an_empty_archive_is_a_dump_without_tensors(path: Path) -> None:
    """An archive without members is valid."""
    np.savez(path)
    assert read_all(path) == {}


def test_the_directory_is_what_zipfile_reads(path: Path) -> None:
    """Names, methods, checksums, sizes and offsets of members are those of zipfile."""
    np.savez_compressed(path, **ARRAYS)
    with InputFile(str(path)) as file, zipfile.ZipFile(path) as archive:
        found = archives.members(file)
        assert [(m.name, m.method, m.crc, m.packed, m.size) for m in found] == [
            (info.filename, info.compress_type, info.CRC, info.compress_size, info.file_size)
            for info in archive.infolist()
        ]
        assert all(zlib.decompress(file.read(m.offset, m.packed), -15) == archive.read(m.name) for m in found)


@pytest.mark.parametrize("cuts", [(0,), (1, 5, 100), (10, 11, 12, 9000), tuple(range(0, 500, 7))])
def test_checksums_of_parts_are_joined(cuts: tuple[int, ...]) -> None:
    """The CRC of a run of bytes follows from those of its parts, in any order."""
    data = gradients(2500).tobytes()
    edges = sorted({0, *cuts, len(data)})
    parts = {a: (zlib.crc32(data[a:b]), b - a) for a, b in pairwise(edges)}
    assert deflate.crc_of_pieces(dict(reversed(parts.items()))) == (zlib.crc32(data), len(data))


def test_checksums_stop_at_a_gap() -> None:
    """Parts behind a gap are not counted."""
    assert deflate.crc_of_pieces({0: (zlib.crc32(b"ab"), 2), 3: (zlib.crc32(b"d"), 1)}) == (zlib.crc32(b"ab"), 2)


@pytest.mark.parametrize("second", [b"", b"x", bytes(100_000)])
def test_two_checksums_are_combined(second: bytes) -> None:
    """The CRC of two runs follows from each and the length of the second."""
    assert deflate.combine_crc(zlib.crc32(b"grad"), zlib.crc32(second), len(second)) == zlib.crc32(b"grad" + second)


@pytest.mark.parametrize("step", [1, 77, 10**6])
def test_a_member_is_unpacked_in_pieces(path: Path, step: int) -> None:
    """A deflated member comes in pieces of any size, and its end is checked."""
    data = np.arange(3000).astype("i2").tobytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w", data)
    with InputFile(str(path)) as file:
        inflater, found = Inflater(file, archives.members(file)[0]), b""
        while part := inflater.take(step):
            found += part
        inflater.finish()
    assert found == data


def test_a_member_that_is_not_read_to_its_end_is_no_complete_one(path: Path) -> None:
    """Finishing before the end is an error: its checksum is not known."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w", bytes(1000))
    with InputFile(str(path)) as file:
        inflater = Inflater(file, archives.members(file)[0])
        inflater.take(10)
        with pytest.raises(InputError, match="size"):
            inflater.finish()


def test_packing_is_undone_by_zlib() -> None:
    """What is packed piece by piece is one raw deflate stream with the right size and CRC."""
    parts = [bytes(1000), b"abc" * 500, b"", gradients(999).tobytes()]
    held = io.BytesIO()
    packer = Deflater(held)
    for part in parts:
        packer.write(part)
    packer.finish()
    data = b"".join(parts)
    assert zlib.decompress(held.read(), -15) == data
    assert (packer.size, packer.packed, packer.crc) == (len(data), len(held.getvalue()), zlib.crc32(data))
