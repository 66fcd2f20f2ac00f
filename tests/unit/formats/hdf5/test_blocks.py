"""A child reads a remote file by blocks that its parent hands over."""

import io
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.memory_store import MemoryFile, MemoryStore, memory_store

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.hdf5 import blocks
from gradclip_cli.formats.hdf5.blocks import LONGEST, BlockFile
from gradclip_cli.formats.opening import opened

DATA = np.random.default_rng(3).bytes(2 * LONGEST + 1000)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Hand over blocks of `DATA`, and list those that are asked for."""
    found: list[tuple[int, int]] = []

    def hand_over(offset: int, count: int) -> bytes:
        found.append((offset, count))
        return DATA[offset : offset + count]

    monkeypatch.setattr(blocks, "_asked", hand_over)
    return found


def test_it_reads_as_any_file_does(asked: list[tuple[int, int]]) -> None:
    """Across blocks, the bytes are those of the file, and what lies behind its end is zero."""
    file = BlockFile(len(DATA))
    out = bytearray(20)
    file.seek(LONGEST - 10)
    assert file.readinto(out) == 20
    assert out == DATA[LONGEST - 10 : LONGEST + 10]
    assert file.tell() == LONGEST + 10
    assert file.seek(-5, io.SEEK_END) == len(DATA) - 5
    file.readinto(out)
    assert out == DATA[-5:] + bytes(15)
    assert asked == [(0, LONGEST), (LONGEST, LONGEST), (2 * LONGEST, 1000)]


def test_blocks_are_asked_for_once(asked: list[tuple[int, int]]) -> None:
    """What is read again is not asked for again."""
    file = BlockFile(len(DATA))
    for at in (5, 1000, 7):
        file.seek(at)
        file.readinto(bytearray(10))
    assert len(asked) == 1


def test_a_file_that_shrank_is_an_error(asked: list[tuple[int, int]]) -> None:
    """A block that has no bytes is no endless loop."""
    file = BlockFile(len(DATA) + LONGEST)
    file.seek(len(DATA))
    with pytest.raises(OSError, match="ends early"):
        file.readinto(bytearray(10))


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """A store in memory."""
    with memory_store() as store:
        yield store


def test_a_connection_that_fails_is_the_error(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a parent's read is what the call says, and the next file is read by another child."""
    path, url, left = tmp_path / "g.h5", "memory://b/g.h5", ["fails"]
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=np.ones((4, 5), np.float32), chunks=True, compression="gzip")
    store.files[url] = path.read_bytes()
    read = MemoryFile.read

    def fail(file: MemoryFile, offset: int, count: int) -> bytes:
        if count == file.size and left:  # the only block of the file
            raise InputError(f"the server {left.pop()}; try again", path=url)
        return read(file, offset, count)

    monkeypatch.setattr(MemoryFile, "read", fail)
    with pytest.raises(InputError, match=r"memory://b/g\.h5: the server fails"), opened(url, Options()):
        pass
    with opened(url, Options()) as (_, reader):
        out = np.empty(80, np.uint8)
        reader.read(reader.tensors[0], 0, out)
    assert out.view(np.float32).tolist() == [1.0] * 20
