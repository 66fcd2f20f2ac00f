"""A writer for every layout of dumps: the same tensors, spread over files as the layout has it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Arrays = dict[str, NDArray[Any]]

RNG = np.random.default_rng(5)
ARRAYS: Arrays = {
    f"layers.{k}.{name}": (RNG.standard_normal((6, 3 + k)) * (k + 1)).astype(np.float32)
    for k in range(3)
    for name in ("weight", "bias")
}
"""Tensors whose first axis can be shared out among three ranks."""


@dataclass(frozen=True)
class Given:
    """What a user gives, and what the dumps in it are; `files` are all that belong to them, `joined` how a file's tensors are named."""

    paths: Sequence[Path]
    files: Sequence[Path]
    dumps: Sequence[Mapping[str, NDArray[Any]]]
    joined: Callable[[Path], Arrays]
    options: Mapping[str, Any] = field(default_factory=dict)


def single(folder: Path) -> Given:
    """Write one file."""
    path = folder / "g.safetensors"
    save_file(ARRAYS, path)
    return Given([path], [path], [ARRAYS], load_file)


def numbered(folder: Path) -> Given:
    """Write three numbered files; name one of them."""
    paths = [folder / f"g-{k:05d}-of-00003.safetensors" for k in (1, 2, 3)]
    for k, path in enumerate(paths):
        save_file({name: ARRAYS[name] for name in list(ARRAYS)[k::3]}, path)
    return Given([paths[1]], paths, [ARRAYS], load_file)


def index(folder: Path) -> Given:
    """Write three shards and their index; name the index."""
    shards = numbered(folder).files
    path = folder / "g.safetensors.index.json"
    placed = {name: shard.name for shard in shards for name in load_file(shard)}
    path.write_text(json.dumps({"weight_map": placed}))
    return Given([path], [*shards, path], [ARRAYS], load_file)


def params(folder: Path) -> Given:
    """Write a file for each parameter; name their folder."""
    inner = folder / "step7"
    inner.mkdir()
    paths = [inner / f"{name}.safetensors" for name in ARRAYS]
    for path, array in zip(paths, ARRAYS.values(), strict=True):
        save_file({"gradient": array}, path)
    return Given([inner], paths, [ARRAYS], lambda path: {path.stem: load_file(path)["gradient"]})


def ranks(folder: Path) -> Given:
    """Write the rows of each tensor to the files of three ranks."""
    paths = [folder / f"rank{k}.safetensors" for k in range(3)]
    for k, path in enumerate(paths):
        save_file({name: np.ascontiguousarray(array[2 * k : 2 * k + 2]) for name, array in ARRAYS.items()}, path)
    return Given(paths, paths, [ARRAYS], load_file, {"shards": True})


def series(folder: Path) -> Given:
    """Write two steps into one file."""
    path = folder / "run.safetensors"
    steps = [ARRAYS, {name: array * np.float32(0.5) for name, array in ARRAYS.items()}]
    save_file({f"step{k}/{name}": array for k, step in enumerate(steps, 1) for name, array in step.items()}, path)
    return Given([path], [path], steps, load_file)


WRITERS: dict[str, Callable[[Path], Given]] = {
    "index": index,
    "params": params,
    "numbered": numbered,
    "single": single,
    "ranks": ranks,
    "series": series,
}
"""By the module of the layout."""
