"""Layouts come many at a time, and a dataset that does harm is told by its name all the same."""

from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.matrices import heavy
from support.memory_store import MemoryFile, memory_store
from support.tensors import PLAIN

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import ReadsAhead
from gradclip_cli.formats.hdf5.reader import Hdf5Reader
from gradclip_cli.formats.opening import opened
from unit.formats.hdf5.made import MANY, many

NAMES = [f"p{k:04}" for k in range(3000)]


def test_they_are_those_of_each_dataset(path: Path) -> None:
    """What is said of a dataset among others is where HDF5 says that its chunks are."""
    many(path, NAMES[:30], **MANY["several"])
    with opened(str(path), PLAIN) as (_, reader), h5py.File(path) as file:
        assert isinstance(reader, Hdf5Reader)
        found = reader.layouts.several(NAMES[:30])
        for name in NAMES[:30]:
            chunks = [file[name].id.get_chunk_info(k) for k in range(4)]
            assert found[name].rows.tolist() == [[k, *chunk[2:], chunk[1]] for k, chunk in enumerate(chunks)]
            assert found[name].packing == ((4, 3), 4, False, 4)


def test_who_reads_on_gets_them_by_the_thousand(path: Path, asked: Counter[str]) -> None:
    """Three thousand datasets that are read one after the other are asked about a dozen times; a single one once, and alone."""
    many(path, NAMES, **MANY["single"])
    with opened(str(path), PLAIN) as (_, reader):
        assert isinstance(reader, Hdf5Reader)
        for name in NAMES:
            assert len(reader.layouts.of(name).rows) == 1
    assert 3 <= asked["layouts"] <= 12
    asked.clear()
    with opened(str(path), PLAIN) as (_, reader):
        assert isinstance(reader, Hdf5Reader)
        for name in NAMES[2000:500:-500]:
            reader.layouts.of(name)
        assert asked["layouts"] == 3
        assert reader.layouts._ahead == {}


@pytest.mark.parametrize(
    ("harmful", "told"),
    [
        ("deadly", "died: SIGSEGV"),
        pytest.param("endless", "not come to an end", marks=heavy),
        ("greedy", "more memory"),
    ],
)
@pytest.mark.usefixtures("harm")
def test_one_that_does_harm_is_told_among_many(harmful: str, told: str, path: Path, asked: Counter[str]) -> None:
    """Datasets before it are read, it is an error with its own name each time, and it is asked about once or twice."""
    names = [*NAMES[:40], f"p0040{harmful}", *NAMES[41:80]]
    many(path, names, **MANY["single"])
    with opened(str(path), PLAIN) as (_, reader):
        assert isinstance(reader, Hdf5Reader)
        for name in names[:40]:
            assert len(reader.layouts.of(name).rows) == 1
        for _ in range(2):
            with pytest.raises(InputError, match=told) as caught:
                reader.layouts.of(names[40])
            assert (caught.value.path, caught.value.tensor) == (str(path), names[40])
        assert len(reader.layouts.of(names[60]).rows) == 1
        assert reader.layouts.several(names).keys() == {*names[:40]}
    assert asked["layouts"] <= 16


def test_they_are_kept_for_the_writer(path: Path, asked: Counter[str]) -> None:
    """How a dataset is packed is known without another message once it was read."""
    values = many(path, NAMES[:50], **MANY["shuffled"])
    with opened(str(path), PLAIN) as (_, reader):
        assert isinstance(reader, Hdf5Reader)
        out = np.empty(values.nbytes, np.uint8)
        reader.read(reader.tensors[0], 0, out)
        before = asked.total()
        assert {reader.layouts.packing(name) for name in NAMES[:50]} == {((6, 4), 4, True, 4)}
        assert asked.total() == before


def test_chunks_that_are_read_next_are_announced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a remote file, the chunks of the datasets that are read next are fetched early, each once, and those of no other."""
    many(path, NAMES[:30], **MANY["several"])
    expected: list[tuple[int, int]] = []
    monkeypatch.setattr(
        MemoryFile, "expect", lambda file, ranges, *, more=False: expected.extend(ranges if more else ())
    )
    with memory_store() as store, h5py.File(path) as file:
        store.files["memory://b/a.h5"] = path.read_bytes()
        with opened("memory://b/a.h5", PLAIN) as (_, reader):
            assert isinstance(reader, ReadsAhead)
            assert isinstance(reader, Hdf5Reader)
            reader.layouts.of(NAMES[0])
            assert expected == []
            reader.will_read(NAMES[2:30:2])
            for name in NAMES[2:12]:
                reader.layouts.of(name)
        chunks = [file[name].id.get_chunk_info(k) for name in NAMES[4:28:2] for k in range(4)]
        assert sorted(expected) == sorted((chunk.byte_offset, chunk.size) for chunk in chunks)
