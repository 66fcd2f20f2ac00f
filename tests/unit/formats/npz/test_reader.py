"""What numpy saved is read as it lies in the archive."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.official import savez
from support.tensors import read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.npz.reader import NpzReader
from gradclip_cli.numerics.dtypes import from_numpy
from gradclip_cli.storage.random_access import InputFile
from unit.formats.npz.made import ARRAYS, Save, fields, npy_bytes, savers

METHODS = pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
W = np.array([3, -4], np.float32)
RAGGED = np.empty(2, object)
RAGGED[:] = [np.ones(2), np.ones(3)]


def pack(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    """Write an archive of these members."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@contextmanager
def reading(path: Path) -> Iterator[NpzReader]:
    """Open an archive, and read its headers."""
    with InputFile(str(path)) as file:
        yield NpzReader(file, Options())


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


@METHODS
def test_what_begins_as_an_array_is_one_whatever_its_name(path: Path, method: int) -> None:
    """Members without `.npy` are arrays by their first bytes, as numpy says; anything else stays what it is."""
    pack(path, {"fc1.weight": npy_bytes(W), "fc1.bias.npy": npy_bytes(W), "n.txt": b"\x93NUM", "d/": b""}, method)
    assert list(read_all(path)) == ["fc1.weight", "fc1.bias"]
    with reading(path) as found, np.load(path) as official:
        assert found.non_numeric == ["n.txt", "d/"]
        assert {name: official[name].tolist() for name in ("fc1.weight", "fc1.bias")} == {
            "fc1.weight": [3, -4],
            "fc1.bias": [3, -4],
        }


@METHODS
def test_the_heads_of_other_members_cost_little(path: Path, method: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To tell that a member of a megabyte is no array takes a few bytes of it; finding the directory takes 64 KiB."""
    noise = np.random.default_rng(1).bytes(1 << 20)
    pack(path, {"w.npy": npy_bytes(W), **{f"blob{k}": noise for k in range(3)}}, method)
    sizes, read = [], InputFile.read

    def counted(file: InputFile, offset: int, size: int) -> bytes:
        sizes.append(size)
        return read(file, offset, size)

    monkeypatch.setattr(InputFile, "read", counted)
    with reading(path) as found:
        assert [spec.name for spec in found.tensors] == ["w"]
    assert sum(sizes) < 80_000


@METHODS
def test_a_member_with_the_first_bytes_of_an_array_has_to_be_one(path: Path, method: int) -> None:
    """What begins as an array and is none is refused, whatever its name, as numpy refuses it."""
    pack(path, {"w.npy": npy_bytes(W), "weights": npy_bytes(header=fields(shape="(9,)"))}, method)
    with pytest.raises(InputError, match="weights: declares 36 bytes"):
        read_all(path)


@pytest.mark.parametrize("names", [("w", "w.npy"), ("w.npy", "w"), ("w.npy", "w.npy.npy"), ("w.npy.npy", "w.npy")])
@pytest.mark.parametrize("data", [npy_bytes(W), b"a text"])
def test_names_that_numpy_confuses(path: Path, names: tuple[str, str], data: bytes) -> None:
    """'x' beside 'x.npy' is refused in any order, whatever 'x' is."""
    pack(path, {name: npy_bytes(W) if name.endswith(".npy") else data for name in names})
    with pytest.raises(InputError, match="stands twice"):
        read_all(path)


@savers
def test_objects_are_named_and_not_in_the_way(path: Path, save: Save) -> None:
    """Object arrays are never loaded; they, structures with floats, and texts are told apart."""
    save(path, w=W, ragged=RAGGED, table=np.zeros(2, [("g", "f4")]), ids=np.zeros(2, [("n", "i4")]), words=["a"])
    with reading(path) as found:
        assert [spec.name for spec in found.tensors] == ["w"]
        assert (found.pickled, found.non_numeric) == (["ragged"], ["table", "ids", "words"])
        assert found.unmeasured == ["table"]
        assert found.metadata == {}
        assert found.not_convertible() == [
            "members that are not numbers (table, ids, words)",
            "pickled objects (ragged)",
        ]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (RAGGED, r"no array of numbers, but pickled objects \(w\), which are never loaded; "),
        (np.zeros(1, [("a", "f4")]), "no array of numbers; "),
        (np.zeros(1, "V3"), "no array of numbers; "),
        (np.array(["a"]), "no array of numbers; "),
    ],
)
def test_an_archive_without_any_number_is_refused(path: Path, array: np.ndarray, reason: str) -> None:
    """A file in which no array holds numbers is no dump."""
    savez(path, w=array)
    with pytest.raises(InputError, match=reason):
        read_all(path)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["archive/data.pkl", "archive/data/0"], "a pickle is never loaded"),
        (["metadata.json", "config.json", "model.weights.h5"], "Keras.*unzip -p FILE model.weights.h5"),
        (["run/g.safetensors", "run/notes"], "unzip FILE.*run/g.safetensors"),
        (["README"], "without arrays"),
    ],
)
def test_other_zip_archives_are_told_by_their_names(path: Path, names: list[str], reason: str) -> None:
    """What is packed like an npz archive and is none is named by what is in it."""
    pack(path, dict.fromkeys(names, b"some bytes"))
    with pytest.raises(InputError, match=reason):
        read_all(path)
