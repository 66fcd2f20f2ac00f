"""Steps are written whole, in a thread."""

import os
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gradclip_cli.torch import files
from gradclip_cli.torch.files import FileWriter, Step


def step(number: int = 0) -> Step:
    """Return a step with one tensor."""
    return Step(f"step_{number:08}.safetensors", {"w": torch.full((2,), float(number))}, {"step": str(number)})


def test_steps_are_written_in_order(tmp_path: Path) -> None:
    """After closing all files are there, and nothing else."""
    writer = FileWriter(tmp_path / "run", 5)
    for number in range(5):
        writer.put(step(number))
    writer.close()
    assert [path.name for path in writer.files] == [f"step_{number:08}.safetensors" for number in range(5)]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [path.name for path in writer.files]
    assert load_file(writer.files[3])["w"].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("broken", ["save_file", "rename"])
def test_after_an_error_nothing_more_is_written(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is kept as the error, half a file is taken away, and later steps are dropped."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((files, "save_file", full) if broken == "save_file" else (os, "replace", full)))
    writer = FileWriter(tmp_path, 0)
    writer.put(step(0))
    writer.put(step(1))
    writer.close()
    assert isinstance(writer.error, OSError)
    assert (writer.files, list(tmp_path.iterdir())) == ([], [])


def test_a_slow_disk_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two steps wait, the third one makes training wait, and says so the first time."""
    fast = threading.Event()
    monkeypatch.setattr(files, "save_file", lambda tensors, path, metadata: fast.wait(60) and path.write_bytes(b""))
    writer = FileWriter(tmp_path, 0)
    threading.Timer(0.3, fast.set).start()
    with pytest.warns(UserWarning, match="slower than the steps") as told:
        list(map(writer.put, map(step, range(5))))
    writer.close()
    assert (len(told), len(writer.files)) == (1, 5)
