"""What describes the objects of a remote file is fetched side by side before the walk, which finds what it would have found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.memory_store import memory_store

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.hdf5 import blocks, scouting
from gradclip_cli.formats.hdf5.blocks import BlockFile
from gradclip_cli.formats.hdf5.contents import Walk
from gradclip_cli.formats.hdf5.library import open_blocks
from gradclip_cli.formats.hdf5.scouting import scout
from gradclip_cli.formats.opening import opened

LAYERS = 20


def layers(path: Path, **how: Any) -> Path:
    """Write layers in groups, each dataset described beside its elements of 32 kB."""
    with h5py.File(path, "w", **how) as file:
        for k in range(LAYERS):
            for name in ("attention/query/weight", "attention/query/bias"):
                file.create_dataset(f"model/h/{k}/{name}", data=np.ones((80, 100), np.float32))
            file.create_dataset(f"model/h/{k}/mlp/weight", data=np.ones((800, 10), np.float32), chunks=(100, 10))
            file[f"model/h/{k}"].attrs["name"] = f"layer {k}"
        file["model/again"] = file["model/h"]
    return path


class Watched:
    """What a child has its parent fetch: how many blocks together, and how many that were not announced."""

    def __init__(self, data: bytes) -> None:
        self.data, self.together, self.alone = data, list[int](), 0
        self._announced = set[int]()

    def announce(self, ranges: list[tuple[int, int]]) -> None:
        """Fetch several blocks."""
        self.together.append(len(ranges))
        self._announced |= {offset for offset, _ in ranges}

    def hand_over(self, offset: int, count: int) -> bytes:
        """Hand over a block."""
        self.alone += offset not in self._announced
        return self.data[offset : offset + count]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Watched]:
    """Blocks of 4 kB of a file in this process, and no file too small."""

    def watch(path: Path) -> Watched:
        found = Watched(path.read_bytes())
        monkeypatch.setattr(blocks, "_announce", found.announce)
        monkeypatch.setattr(blocks, "_asked", found.hand_over)
        return found

    monkeypatch.setattr(blocks, "LONGEST", 4 << 10)
    monkeypatch.setattr(scouting, "_SMALL", 0)
    return watch


def test_a_walk_asks_for_little_more(path: Path, watched: Callable[[Path], Watched]) -> None:
    """Of 165 objects that lie apart, what describes them comes in a dozen rounds; only what is at the start comes alone."""
    seen = watched(layers(path))
    file = BlockFile(len(seen.data))
    handle = open_blocks(file)
    at_first = seen.alone
    scout(handle, file)
    assert sum(seen.together) > 50
    assert len(seen.together) <= 20
    assert len(Walk(None).over(handle).datasets) == 3 * LAYERS
    assert seen.alone == at_first


@pytest.mark.parametrize("how", [{}, {"libver": "latest"}, {"track_order": True}, {"userblock_size": 512}], ids=str)
@pytest.mark.parametrize("nbytes", [256, 4 << 10])
def test_the_walk_finds_what_it_finds_without(
    path: Path, watched: Callable[[Path], Watched], monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], nbytes: int
) -> None:
    """Looking for what is not there yet, however often, changes nothing of what a walk tells, in any layout of groups."""
    seen = watched(layers(path, **how))
    monkeypatch.setattr(blocks, "LONGEST", nbytes)
    file = BlockFile(len(seen.data))
    handle = open_blocks(file)
    scout(handle, file)
    with h5py.File(path) as local:
        assert Walk(None).over(handle) == Walk(None).over(local.id)


def test_all_kinds_of_objects(sample: Path, watched: Callable[[Path], Watched]) -> None:
    """Links, circles, texts and empty groups are passed over or looked into as they are."""
    with h5py.File(sample, "r+") as file:
        file["zz/up"] = file["/"]
    seen = watched(sample)
    file = BlockFile(len(seen.data))
    handle = open_blocks(file)
    scout(handle, file)
    with h5py.File(sample) as local:
        assert Walk(None).over(handle) == Walk(None).over(local.id)


def told(location: str) -> str:
    """What reading the header of a file tells, or why it cannot be read."""
    try:
        with opened(location, Options()) as (_, reader):
            return str([(spec.name, spec.shape, spec.offset) for spec in reader.tensors])
    except InputError as error:
        return error.message.partition(":")[0]  # which of several faults comes first may differ


def test_damaged_files(path: Path) -> None:
    """A damaged file is refused, or read, as one of this machine is."""
    with h5py.File(path, "w") as file:
        for k in range(4):
            file[f"model/{k}/weight"] = np.ones((1100, 1024), np.float32)
    whole, url = path.read_bytes(), "memory://b/a.h5"
    for seed in range(5):
        generator, data = np.random.default_rng(seed), bytearray(whole)
        for at in generator.integers(0, 4000, 3) if seed else ():
            data[at] = generator.integers(256)
        path.write_bytes(data)
        local = told(str(path))
        with memory_store() as store:
            store.files[url] = bytes(data)
            assert told(url) == local
