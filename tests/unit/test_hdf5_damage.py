"""What HDF5 itself does not bear is seen before it is called."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from fuzz.checksums import seal, sealed

import gradclip_cli
from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.datasets import filling
from gradclip_cli.storage.random_access import InputFile


def saved(path: Path, user_block: int = 0) -> bytearray:
    """Write a file with a group, whose names are in a local heap, and a text, which is in a global one."""
    out = io.BytesIO()
    with h5py.File(out, "w", userblock_size=user_block) as file:
        file["layer/w"] = np.ones(3, np.float32)
        file["layer"].attrs["name"] = "a name"
    path.write_bytes(out.getvalue())
    return bytearray(out.getvalue())


def circle(data: bytearray, user_block: int) -> None:
    """Let the first free piece of every local heap be its own successor."""
    at = data.find(b"HEAP")
    while at >= 0:
        free = int.from_bytes(data[at + 16 : at + 24], "little")
        address = user_block + int.from_bytes(data[at + 24 : at + 32], "little")
        data[address + free : address + free + 8] = free.to_bytes(8, "little")
        at = data.find(b"HEAP", at + 1)


def no_length(data: bytearray, user_block: int) -> None:
    """Let the first piece of the global heap be free, and of no length."""
    at = data.index(b"GCOL") + 16
    data[at : at + 16] = bytes(16)


@pytest.mark.parametrize("user_block", [0, 512])
@pytest.mark.parametrize("damage", [circle, no_length], ids=lambda damage: damage.__name__)
def test_a_heap_without_an_end(damage: Callable[[bytearray, int], None], user_block: int, tmp_path: Path) -> None:
    """A heap that HDF5 would never finish reading is an error."""
    path = tmp_path / "g.h5"
    data = saved(path, user_block)
    gradclip_cli.stats(path)
    damage(data, user_block)
    path.write_bytes(data)
    with InputFile(str(path)) as file, pytest.raises(InputError, match="heap"):
        check(file, base(file) or 0)


def overlapping_global() -> bytes:
    """Heaps that all reach to the end, each of one piece more than the next."""
    count = 1 << 13
    return b"".join(b"GCOL\x01\0\0\0" + struct.pack("<3Q", 32 * (count - k), 1, 16) for k in range(count))


def overlapping_local() -> bytes:
    """Heaps that all have the same long list of free pieces."""
    count = 1 << 13
    heads = b"".join(b"HEAP\0\0\0\0" + struct.pack("<3Q", 16 * count, 0, 512 + 32 * count) for _ in range(count))
    return heads + b"".join(struct.pack("<2Q", 16 * (k + 1), 16) for k in range(count))


@pytest.mark.parametrize("heaps", [overlapping_global, overlapping_local], ids=lambda heaps: heaps.__name__)
def test_heaps_that_overlap(heaps: Callable[[], bytes], tmp_path: Path) -> None:
    """Heaps on top of each other, over which one could go for hours, are an error at once."""
    path = tmp_path / "g.h5"
    path.write_bytes(saved(path)[:16].ljust(512, b"\0") + heaps())
    with InputFile(str(path)) as file, pytest.raises(InputError, match="heap"):
        check(file, 0)


@pytest.mark.parametrize(
    ("offset", "number"),
    [(6, 0), (6, 12), (6, 1 << 31), (10, 0), (10, 0xFFFF), (12, 0xFFFF)],
    ids=["no nodes", "small nodes", "giant nodes", "no records", "giant records", "deep"],
)
def test_trees_that_cannot_be(offset: int, number: int, tmp_path: Path) -> None:
    """A tree from which HDF5 would take gigabytes, or die, is an error before HDF5 is called; its checksum may be right."""
    path = tmp_path / "g.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for k in range(20):
            file[f"layers/w{k}"] = np.ones(3, np.float32)
    gradclip_cli.stats(path)
    data = bytearray(path.read_bytes())
    places, at = sealed(bytes(data)), data.index(b"BTHD") + offset
    data[at : at + (4 if offset == 6 else 2)] = number.to_bytes(4 if offset == 6 else 2, "little")
    seal(data, places)
    path.write_bytes(data)
    with pytest.raises(InputError, match="an index is damaged"):
        gradclip_cli.stats(path)


class FakeDataset:
    """A dataset of 4 by 6 in chunks of 2 by 3, with chunks where a test says."""

    shape = (4, 6)

    def __init__(self, *chunks: tuple[tuple[int, int], int, int]) -> None:
        self._chunks = chunks

    def get_create_plist(self) -> Any:
        """Return what says how large chunks are."""
        return SimpleNamespace(get_chunk=lambda: (2, 3))

    def get_space(self) -> Any:
        """Return what says how large the dataset may become."""
        return SimpleNamespace(get_simple_extent_dims=lambda most: self.shape)

    def chunk_iter(self, take: Callable[[Any], bool | None]) -> bool | None:
        """Tell of one chunk after the other, as h5py does."""
        for origin, offset, size in self._chunks:
            if take(SimpleNamespace(chunk_offset=origin, byte_offset=offset, size=size, filter_mask=0)):
                return True
        return None


def test_chunks_are_found() -> None:
    """A chunk is found at its origin; one that was never written is not."""
    table = Table(FakeDataset(((2, 3), 100, 24), ((0, 0), 50, 24)), 1000)
    assert table.find((2, 3)) == (100, 24, 0)
    assert table.find((0, 0)) == (50, 24, 0)
    assert table.find((0, 3)) is None


@pytest.mark.parametrize(
    "chunks",
    [
        [((4, 0), 0, 24)],
        [((0, 6), 0, 24)],
        [((1, 0), 0, 24)],
        [((0, 0), 0, 24), ((0, 3), 20, 24)],
        [((0, 0), 990, 24)],
        [((0, 0), -8, 24)],
        [((0, 0), 0, 0)],
        [((0, 0), 0, 24), ((0, 0), 50, 24)],
        [((0, 0), 30 * k, 24) for k in range(5)],
    ],
    ids=["below", "beside", "between", "overlapping", "past the end", "before", "empty", "twice", "too many"],
)
def test_chunks_that_cannot_be(chunks: list[tuple[tuple[int, int], int, int]]) -> None:
    """Chunks outside the shape, on top of each other, past the end of the file or twice are an error."""
    with pytest.raises(ValueError, match="chunks"):
        Table(FakeDataset(*chunks), 1000)


@pytest.mark.parametrize(("dtype", "fill"), [("<f4", 2.5), (">f8", -1.0), ("<f2", 0.0), ("V2", None)], ids=str)
def test_what_was_never_written_is_the_filling(dtype: str, fill: float | None, tmp_path: Path) -> None:
    """The element that stands for unwritten ones is the dataset's own, as its bytes are stored."""
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("w", (8, 8), dtype, chunks=(2, 2), fillvalue=fill, compression="gzip")
        wanted = np.zeros((), dtype) if fill is None else np.full((), fill, dtype)
        assert filling(dataset.id) == wanted.tobytes()


def test_partly_written_datasets_are_read(tmp_path: Path) -> None:
    """A dataset of which only some chunks were written has its filling in the others."""
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        for name, options in {
            "a": {},
            "b": {"compression": "lzf"},
            "c": {"compression": "gzip", "fletcher32": True},
        }.items():
            dataset = file.create_dataset(name, (7, 5), np.float32, chunks=(2, 2), fillvalue=2, **options)
            dataset[:3, :3] = 5
        wanted = float(np.linalg.norm(file["a"][()].astype(np.float64)))
    assert [param.summary.mean for param in gradclip_cli.stats(path).params] == pytest.approx([wanted] * 3, rel=1e-12)
    gradclip_cli.apply(path, tmp_path / "out.h5", strategy="clip-by-norm", threshold=wanted / 2)
    with h5py.File(path) as file, h5py.File(tmp_path / "out.h5") as out:
        for name in "abc":
            np.testing.assert_allclose(out[name][()], file[name][()] / 2, rtol=1e-7)
