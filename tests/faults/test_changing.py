"""Inputs that change while they are read: an error, never zeros and never a mixture."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import safetensors.numpy
from support.command import GRADCLIP
from support.matrices import heavy

import gradclip_cli
from faults.scenarios import OLD, environment
from gradclip_cli.engine import survey as dumps
from gradclip_cli.errors import InputError
from gradclip_cli.storage import random_access as files

Change = Callable[[Path], None]
SUFFIXES = (".safetensors", ".npz", ".h5")


def save(path: Path, value: float, size: int = 50_000) -> None:
    """Write one tensor of one value, in the same layout each time."""
    array = np.full(size, value, np.float32)
    if path.suffix == ".safetensors":
        safetensors.numpy.save_file({"w": array}, path)
    elif path.suffix == ".npz":
        np.savez(path, w=array)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("w", data=array, chunks=(1000,))


def truncate(path: Path) -> None:
    """Take the second half away."""
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    """Write other values into the same file, of the same length."""
    other = path.with_name(f"other{path.suffix}")
    save(other, 2)
    with path.open("r+b") as file:
        file.write(other.read_bytes())
    other.unlink()


def replace(path: Path) -> None:
    """Put another file in the place of this one."""
    other = path.with_name(f"other{path.suffix}")
    save(other, 2)
    other.replace(path)


def append(path: Path) -> None:
    """Write on at the end."""
    with path.open("ab") as file:
        file.write(b"more")


def remove(path: Path) -> None:
    """Take the name away; the file itself can still be read."""
    path.unlink()


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Change], None]:
    """Let a file change between its first reading and its second."""

    def between(path: Path, change: Change) -> None:
        original = dumps.measure_dump

        def measure_dump(*args: Any) -> Any:
            found = original(*args)
            change(path)
            return found

        monkeypatch.setattr("gradclip_cli.engine.series.measure_dump", measure_dump)

    return between


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Change], None]:
    """Let a file change after the first piece of its elements was read."""

    def during(path: Path, change: Change) -> None:
        original = files.InputFile.read_into
        changed: list[bool] = []

        def read_into(self: Any, offset: int, out: Any) -> None:
            original(self, offset, out)
            if not changed:
                changed.append(True)
                change(path)

        monkeypatch.setattr(files.InputFile, "read_into", read_into)

    return during


@pytest.mark.parametrize("change", [truncate, rewrite, replace, append, remove], ids=lambda change: change.__name__)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_change_between_two_readings(
    suffix: str, change: Change, tmp_path: Path, between: Callable[[Path, Change], None]
) -> None:
    """A dump that is another one when it is read again is refused, and the old output stays."""
    path, out = tmp_path / f"g{suffix}", tmp_path / f"out{suffix}"
    save(path, 1)
    out.write_bytes(OLD)
    between(path, change)
    with pytest.raises(InputError):
        gradclip_cli.apply(path, out, strategy="clip-by-global-norm", threshold=1, overwrite=True)
    assert out.read_bytes() == OLD
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("change", [truncate, rewrite, append], ids=lambda change: change.__name__)
@pytest.mark.parametrize("command", ["apply", "stats"])
@pytest.mark.parametrize("suffix", SUFFIXES[:2])
def test_a_change_while_it_is_read(
    suffix: str, command: str, change: Change, tmp_path: Path, during: Callable[[Path, Change], None]
) -> None:
    """A dump that is written to while it is read is refused, whatever was read of it."""
    path, out = tmp_path / f"g{suffix}", tmp_path / f"out{suffix}"
    save(path, 1)
    during(path, change)
    commands = {
        "stats": lambda: gradclip_cli.stats(path),
        "apply": lambda: gradclip_cli.apply(path, out, strategy="clip-by-global-norm", threshold=1),
    }
    with pytest.raises(InputError):
        commands[command]()
    assert sorted(os.listdir(tmp_path)) == [path.name]


def add_param(folder: Path) -> None:
    """Write one more parameter, whose name comes first."""
    safetensors.numpy.save_file({"gradient": np.ones(3, np.float32)}, folder / "a.safetensors")


def forget_shard(index: Path) -> None:
    """Let an index name the first of two shards only."""
    index.write_text(json.dumps({"weight_map": {"w0": "0.safetensors"}}))


@pytest.fixture(params=[add_param, forget_shard], ids=lambda change: change.__name__)
def several(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Change]:
    """Make a dump of several files, and say how it is to change: a folder of one file a parameter, or an index."""
    folder, change = tmp_path / "in", request.param
    folder.mkdir()
    names = ["gradient"] * 2 if change is add_param else ["w0", "w1"]
    for k, name in enumerate(names):
        safetensors.numpy.save_file({name: np.ones(3, np.float32)}, folder / f"{k}.safetensors")
    if change is add_param:
        return folder, change
    index = folder / "g.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: f"{k}.safetensors" for k, name in enumerate(names)}}))
    return index, change


@pytest.mark.parametrize("when", ["between", "during"])
def test_files_that_come_or_go(when: str, several: tuple[Path, Change], request: pytest.FixtureRequest) -> None:
    """A dump of several files that is of other files before it is written is refused, and nothing is written."""
    request.getfixturevalue(when)(*several)
    out = several[0].with_name("out")
    with pytest.raises(InputError, match="changed while it was read"):
        gradclip_cli.apply(several[0], out, strategy="clip-by-norm", threshold=1)
    assert not out.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_written_all_the_time(suffix: str, tmp_path: Path) -> None:
    """Whatever is read of a file that somebody writes to, it is one of its states or an error, never a mixture."""
    path, stop = tmp_path / f"g{suffix}", threading.Event()
    contents = []
    for value in (1, 2):
        save(path, value)
        contents.append(path.read_bytes())

    def write() -> None:
        turn = 0
        with path.open("r+b", buffering=0) as file:
            while not stop.is_set():
                turn += 1
                file.seek(0)
                file.write(contents[turn % 2])
                time.sleep(0.001 * (turn % 20))

    writer = threading.Thread(target=write)
    writer.start()
    outcomes = set()
    try:
        for _ in range(20):
            try:
                [dump] = gradclip_cli.stats(path).dumps
                outcomes.add(round(dump.norm / np.sqrt(50_000), 9))
            except InputError:
                outcomes.add(0)
    finally:
        stop.set()
        writer.join()
    assert outcomes <= {0, 1, 2}


def test_eight_writers_of_one_target(tmp_path: Path) -> None:
    """Eight runs that write one file leave what one of them made; who reads meanwhile sees a whole one, or the old one."""
    out, stop, seen = tmp_path / "out.safetensors", threading.Event(), set()
    wanted = set()
    for k in range(8):
        save(tmp_path / f"g{k}.safetensors", 1 + k)
        gradclip_cli.apply(
            tmp_path / f"g{k}.safetensors", tmp_path / "one.safetensors", strategy="clip-by-value", threshold=1 + k
        )
        wanted.add((tmp_path / "one.safetensors").read_bytes())
        (tmp_path / "one.safetensors").unlink()
    save(out, 9)
    wanted.add(out.read_bytes())

    def read() -> None:
        while not stop.is_set():
            seen.add(out.read_bytes())

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    ended = writers(tmp_path, "--overwrite")
    stop.set()
    for reader in readers:
        reader.join()
    assert ended == [0] * 8
    assert seen <= wanted
    assert out.read_bytes() in wanted
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


@heavy
def test_one_of_eight_writers_is_the_first(tmp_path: Path) -> None:
    """Without --overwrite one of eight runs makes the file, and the others are refused: none replaces another's."""
    for k in range(8):
        save(tmp_path / f"g{k}.safetensors", 1 + k)
    ended = writers(tmp_path)
    assert sorted(ended) == [0] + [5] * 7
    winner = ended.index(0)
    assert safetensors.numpy.load_file(tmp_path / "out.safetensors")["w"][0] == winner + 1
    assert len(os.listdir(tmp_path)) == 9


def writers(folder: Path, *options: str) -> list[int]:
    """Let eight runs write one target at the same time, and return how they ended."""
    argv = [*GRADCLIP, "apply", "-o", "out.safetensors", "-s", "clip-by-value", "-q", *options]
    runs = [
        subprocess.Popen(
            [*argv, f"g{k}.safetensors", "-t", str(1 + k)], cwd=folder, env=environment(), stderr=subprocess.DEVNULL
        )
        for k in range(8)
    ]
    return [run.wait(timeout=60) for run in runs]
