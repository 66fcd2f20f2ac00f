"""Small runs of `apply`, each with the files that were there before it and those that it makes."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy
from support.command import GRADCLIP

OLD = b"the old file"
CLIP = ["-s", "clip-by-global-norm", "-t", "1", "-q", "-j", "1"]
Files = dict[str, bytes]


def weights(scale: float = 1.0) -> dict[str, np.ndarray]:
    """Return a few gradients."""
    return {"a.w": np.linspace(1, 9, 3000, dtype=np.float32) * np.float32(scale), "b.w": np.full((4, 5), scale)}


def save(path: Path, scale: float = 1.0) -> None:
    """Write gradients in the format that a suffix names; HDF5 in chunks, which are packed once more."""
    if path.suffix == ".safetensors":
        safetensors.numpy.save_file({name: a * scale for name, a in weights().items()}, path)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **{name: a * scale for name, a in weights().items()})  # type: ignore[arg-type]
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("a/w", data=weights(scale)["a.w"], chunks=(1000,), compression="gzip")
            file["b/w"] = weights(scale)["b.w"]


@dataclass(frozen=True)
class Scenario:
    """What is made before a run, the run, and its targets."""

    name: str
    inputs: tuple[str, ...]
    argv: tuple[str, ...]
    targets: tuple[str, ...]
    existing: tuple[str, ...] = ()

    def make(self, folder: Path) -> None:
        """Put what is there before the run into an empty folder."""
        for number, name in enumerate(self.inputs, 1):
            (folder / name).parent.mkdir(exist_ok=True)
            save(folder / name, number)
        for name in self.existing:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(OLD)

    @property
    def command(self) -> list[str]:
        """The run itself."""
        return [*GRADCLIP, "apply", *self.argv, *CLIP, *(["--overwrite"] if self.existing else [])]


SHARDS = tuple(f"in/g-0000{k}-of-00002.safetensors" for k in (1, 2))
SCENARIOS = [
    Scenario("same", ("g.safetensors",), ("g.safetensors", "-o", "out.safetensors"), ("out.safetensors",), ("out.safetensors",)),
    Scenario("new", ("g.npz",), ("g.npz", "-o", "out.npz"), ("out.npz",)),
    Scenario("packed", ("g.h5",), ("g.h5", "-o", "out.h5"), ("out.h5",), ("out.h5",)),
    Scenario("converted", ("g.safetensors",), ("g.safetensors", "-o", "out.h5"), ("out.h5",), ("out.h5",)),
    Scenario("in-place", ("g.npz",), ("g.npz", "--in-place"), ("g.npz",)),
    Scenario("folder", ("a.npz", "b.h5"), ("a.npz", "b.h5", "-o", "out"), ("out/a.npz", "out/b.h5")),
    Scenario("replaced", ("a.npz", "b.npz"), ("a.npz", "b.npz", "-o", "out"), ("out/a.npz", "out/b.npz"), ("out/a.npz", "out/b.npz")),
    Scenario("shards", (), (SHARDS[0], "-o", "out"), tuple(f"out/{Path(name).name}" for name in SHARDS)),
]  # fmt: skip


class Sharded(Scenario):
    """A dump whose tensors are spread over files."""

    def make(self, folder: Path) -> None:
        """Put each tensor into a file of its own."""
        (folder / "in").mkdir()
        for name, (key, array) in zip(SHARDS, weights().items(), strict=True):
            safetensors.numpy.save_file({key: array}, folder / name)


SCENARIOS[-1] = Sharded(**vars(SCENARIOS[-1]))


def files(folder: Path) -> Files:
    """Return all files of a folder by name, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Outcome:
    """The files before and after a run that nothing disturbs."""

    before: Files
    after: Files


@cache
def undisturbed(scenario: Scenario, folder: Path) -> Outcome:
    """Run a scenario in an empty folder."""
    folder.mkdir()
    scenario.make(folder)
    before = files(folder)
    subprocess.run(scenario.command, cwd=folder, check=True, capture_output=True, env=environment())
    return Outcome(before, files(folder))


def environment() -> dict[str, str]:
    """The variables of a run: no byte code is written, so that all runs do the same."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def fresh(scenario: Scenario, folder: Path) -> Path:
    """Make a scenario's files once more."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    scenario.make(folder)
    return folder


def is_whole(found: Files, sound: Outcome, targets: tuple[str, ...]) -> bool:
    """Whether each target is byte for byte what it was, or all of what it was to be; and nothing else was touched."""
    for name in targets:
        if found.get(name) not in (sound.before.get(name), sound.after[name]):
            return False
    return all(found.get(name) == data for name, data in sound.before.items() if name not in targets)


Fixture = Callable[..., None]
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
