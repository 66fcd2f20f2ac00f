"""What HDF5 itself does not bear is an error of the input, whatever becomes of the process that reads it."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from fuzz.checksums import Sealed, seal, sealed
from support.command import GRADCLIP
from support.matrices import crossed

import gradclip_cli
from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5 import limits


def saved(path: Path, user_block: int = 0) -> bytearray:
    """Write a file with a group, whose names are in a local heap, and a text, which is in a global one."""
    out = io.BytesIO()
    with h5py.File(out, "w", userblock_size=user_block) as file:
        file["layer/w"] = np.ones(3, np.float32)
        file["layer"].attrs["name"] = "a name"
        file.create_dataset("packed/w", data=np.ones((40, 6), np.float32), chunks=(4, 3), compression="gzip")
        file["packed"].attrs["name"] = np.bytes_("a fixed name")
        for k in range(20):
            file["packed/w"].attrs[f"note{k}"] = k
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


def self_child(data: bytearray, user_block: int) -> None:
    """Let the node of an index of chunks lie above itself."""
    at = data.index(b"TREE\x01")
    data[at + 5] = 1
    key = 8 + 8 * 3  # of a dataset with two axes
    data[at + 24 + key : at + 32 + key] = (at - user_block).to_bytes(8, "little")


def neighbour(data: bytearray, user_block: int) -> None:
    """Let the node of an index of chunks be its own right neighbour, and have more entries than can be."""
    at = data.index(b"TREE\x01")
    data[at + 6 : at + 8] = b"\xff\xff"
    data[at + 16 : at + 24] = (at - user_block).to_bytes(8, "little")


def continuation(data: bytearray, user_block: int) -> None:
    """Let the second part of an object's header continue in itself."""
    at = data.index(b"\x10\0\x10\0\0\0\0\0") + 8
    start = int.from_bytes(data[at : at + 8], "little") + user_block
    data[start : start + 24] = b"\x10\0\x10\0\0\0\0\0" + data[at : at + 16]


def giant_text(data: bytearray, user_block: int) -> None:
    """Let an attribute have a text of two gigabytes."""
    at = data.index(b"a fixed name") - 100
    size = data.index((12).to_bytes(4, "little"), at)
    data[size : size + 4] = b"\xff\xff\xff\x7f"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a damaged file one second of processor time: what never ends does not end in five either."""
    monkeypatch.setattr(limits, "_SECONDS", 1)


DAMAGES = (circle, no_length, self_child, neighbour, continuation, giant_text)


@pytest.fixture
def damaged(damage: Callable[[bytearray, int], None], user_block: int, tmp_path: Path) -> Path:
    """Write a damaged file; before, it is sound."""
    path = tmp_path / "g.h5"
    data = saved(path, user_block)
    gradclip_cli.stats(path)
    damage(data, user_block)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("damage", "user_block"), crossed(DAMAGES, (0, 512)))
def test_damage_ends_nothing(damaged: Path) -> None:
    """What HDF5 does not bear is an error, or is of no consequence; the next file is read as ever, and soon."""
    sound = damaged.with_name("sound.h5")
    saved(sound)
    start = time.process_time()
    try:
        gradclip_cli.stats(damaged)
    except InputError as error:
        assert "HDF5 cannot read it" in str(error)  # noqa: PT017 (not all damage is an error)
    gradclip_cli.stats(sound)
    assert time.process_time() - start < 10


def test_a_tree_in_a_circle(tmp_path: Path) -> None:
    """A node that lies above itself, of which the library dies, is a damaged file, and nothing is left of an output."""
    path = tmp_path / "g.h5"
    data = saved(path)
    self_child(data, 0)
    path.write_bytes(data)
    with pytest.raises(InputError, match="the file is damaged"):
        gradclip_cli.apply(path, tmp_path / "out.h5", strategy="clip-by-norm", threshold=1)
    assert os.listdir(tmp_path) == ["g.h5"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_while_the_library_hangs(number: signal.Signals, tmp_path: Path) -> None:
    """A signal ends a run and its child at once, long before the child's limits, and nothing is left of an output."""
    path = tmp_path / "g.h5"
    data = saved(path)
    no_length(data, 0)
    path.write_bytes(data)
    os.truncate(path, 1 << 30)  # so large a file may take ten minutes
    command = [*GRADCLIP, "apply", str(path), "-o", str(tmp_path / "out.h5"), "-s", "clip-by-norm", "-t", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        child = _busy_child(run)
        run.send_signal(number)
        output, _ = run.communicate(timeout=60)
    assert (run.returncode, output) == (-number, b"")
    deadline = time.monotonic() + 30
    while _runs(child) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _runs(child)
    assert os.listdir(tmp_path) == ["g.h5"]


def _runs(pid: int) -> bool:
    """Whether a process is there, and is not merely waiting for its end to be noticed."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _busy_child(run: subprocess.Popen[bytes]) -> int:
    """Wait until the child of a run has had a second of processor time, far more than it takes to start; return its id."""
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    ticks = os.sysconf("SC_CLK_TCK")
    while run.poll() is None:
        for child in map(int, children.read_text(encoding="ascii").split()):
            if int(Path(f"/proc/{child}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11]) >= ticks:
                return child
        time.sleep(0.01)
    raise AssertionError(f"the run ended with {run.returncode}")


@pytest.fixture(scope="module")
def sound_trees(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Sealed]]:
    """Write a sound file with a tree, and find what has a checksum in it."""
    path = tmp_path_factory.mktemp("sound") / "g.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for k in range(20):
            file[f"layers/w{k}"] = np.ones(3, np.float32)
    gradclip_cli.stats(path)
    return path.read_bytes(), sealed(path.read_bytes())


@pytest.mark.parametrize(
    ("offset", "number"),
    [(6, 0), (6, 12), (6, 1 << 31), (10, 0), (10, 0xFFFF), (12, 0xFFFF)],
    ids=["no nodes", "small nodes", "giant nodes", "no records", "giant records", "deep"],
)
def test_trees_that_cannot_be(
    offset: int, number: int, sound_trees: tuple[bytes, list[Sealed]], tmp_path: Path
) -> None:
    """A tree from which HDF5 would take gigabytes, or die, is an error; its checksum may be right."""
    path, data = tmp_path / "g.h5", bytearray(sound_trees[0])
    at = data.index(b"BTHD") + offset
    data[at : at + (4 if offset == 6 else 2)] = number.to_bytes(4 if offset == 6 else 2, "little")
    seal(data, sound_trees[1])
    path.write_bytes(data)
    with pytest.raises(InputError, match="HDF5 cannot read it"):
        gradclip_cli.stats(path)
