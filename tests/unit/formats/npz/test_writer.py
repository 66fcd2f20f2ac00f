"""Archives are what numpy and zipfile read, and a copy keeps what does not change."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.official import savez
from support.tensors import converted, gradients, raw_of, read_all, rewritten

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.base import Options
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, from_numpy
from gradclip_cli.tensors import TensorSpec
from unit.formats.npz.made import ARRAYS, Save, fields, members, npy_bytes, savers


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
    savez(tmp_path / "b.npz", **arrays)
    assert members(path) == members(tmp_path / "b.npz")


def test_bfloat16_is_opaque_and_named(path: Path) -> None:
    """bfloat16 is written as |V2 with a note, and read back only when the user says what it is."""
    data = raw_of(gradients(5, "bfloat16")).tobytes()
    (note,) = converted("npz", path, [(TensorSpec("w", dtypes.BFLOAT16, (5,)), data)])
    assert (note.kind, note.text.startswith(str(path)), "--void-dtype bfloat16" in note.text) == ("dtype", True, True)
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


@savers
def test_objects_are_copied_byte_by_byte(path: Path, tmp_path: Path, save: Save) -> None:
    """Beside arrays that change, object arrays and structures keep their bytes, and numpy loads them as before."""
    ragged = np.empty(2, object)
    ragged[:] = [[1, 2], [3]]
    save(path, w=gradients(3), ragged=ragged, table=np.ones(2, [("g", "f4")]))
    rewritten(path, tmp_path / "b", {"w": bytes(12)})
    before, after = members(path), members(tmp_path / "b")
    assert {name: after[name] for name in ("ragged.npy", "table.npy")} == {
        name: before[name] for name in ("ragged.npy", "table.npy")
    }
    with np.load(tmp_path / "b", allow_pickle=True) as found:
        assert found["ragged"].tolist() == [[1, 2], [3]]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("changed", [{}, {"w": bytes(8)}], ids=["unchanged", "changed"])
def test_a_header_that_numpy_cannot_read_is_mended(
    path: Path, tmp_path: Path, method: int, changed: dict[str, bytes]
) -> None:
    """The copy of an array whose shape is a plain number has a header that numpy reads; names keep what they end in."""
    data = np.array([3, -4], np.float32).tobytes()
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("w", npy_bytes(header=fields(shape="(2)"), data=data))
    with np.load(path) as found, pytest.raises(ValueError, match="shape"):
        found["w"]
    rewritten(path, tmp_path / "b", changed or {"w": data})
    assert list(members(tmp_path / "b")) == ["w"]
    with np.load(tmp_path / "b") as found:
        assert found["w"].tolist() == ([0, 0] if changed else [3, -4])
