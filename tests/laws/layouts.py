"""A writer for every layout of dumps: the same tensors, spread over files as the layout has it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from support.official import load

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
    """What a user gives, and what the dumps in it are; `files` are all that belong to them, `joined` how a file's tensors are named.

    `beside` are other files in the folder, which are left as they are, and `glanced` those whose headers tell the layout.
    """

    paths: Sequence[Path]
    files: Sequence[Path]
    dumps: Sequence[Mapping[str, NDArray[Any]]]
    joined: Callable[[Path], Arrays]
    options: Mapping[str, Any] = field(default_factory=dict)
    beside: Sequence[Path] = ()
    glanced: Sequence[Path] = ()


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
    return Given([inner], paths, [ARRAYS], lambda path: {path.stem: load_file(path)["gradient"]}, glanced=[min(paths)])


def ranks(folder: Path) -> Given:
    """Write the rows of each tensor to the files of three ranks."""
    paths = [folder / f"rank{k}.safetensors" for k in range(3)]
    for k, path in enumerate(paths):
        save_file({name: np.ascontiguousarray(array[2 * k : 2 * k + 2]) for name, array in ARRAYS.items()}, path)
    return Given(paths, paths, [ARRAYS], load_file, {"shards": True})


def captured(folder: Path) -> Given:
    """Write the rows of each tensor from three ranks, as they are captured; name all files."""
    paths = [folder / f"step_00000007.rank_{k:05}.safetensors" for k in range(3)]
    for k, path in enumerate(paths):
        facts = {"gradclip": "capture/1", "layout": "shards", "world": "3", "rank": str(k), "step": "7"}
        rows = {name: np.ascontiguousarray(array[2 * k : 2 * k + 2]) for name, array in ARRAYS.items()}
        save_file(rows, path, facts)
    return Given(paths, paths, [ARRAYS], load_file, glanced=[paths[0]])


def series(folder: Path) -> Given:
    """Write two steps into one file."""
    path = folder / "run.safetensors"
    steps = [ARRAYS, {name: array * np.float32(0.5) for name, array in ARRAYS.items()}]
    save_file({f"step{k}/{name}": array for k, step in enumerate(steps, 1) for name, array in step.items()}, path)
    return Given([path], [path], steps, load_file)


def _three(paths: Sequence[Path]) -> Sequence[Path]:
    """The first, the middle and the last of files, by name."""
    ordered = sorted(paths)
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]


def stale(folder: Path) -> Given:
    """Write three shards and their index beside a whole file and what is left of another split; name the folder."""
    given = index(folder)
    left = {name: array + 1 for name, array in ARRAYS.items()}
    save_file(left, folder / "g.safetensors")
    save_file(left, folder / "g-00002-of-00002.safetensors")
    return replace(given, paths=[folder], beside=[folder / "g.safetensors", folder / "g-00002-of-00002.safetensors"])


def own_names(folder: Path) -> Given:
    """Write a file for each parameter, called like its tensor, with `_` for `.`; name their folder."""
    paths = [folder / f"{name.replace('.', '_')}.safetensors" for name in ARRAYS]
    for path, (name, array) in zip(paths, ARRAYS.items(), strict=True):
        save_file({name: array}, path)
    return Given([folder], paths, [ARRAYS], load_file, glanced=_three(paths))


def first_rows(folder: Path) -> Given:
    """Write the first four rows of each parameter, one folder further down; name the folder of the step."""
    inner = folder / "step7" / "sampled_gradients"
    inner.mkdir(parents=True)
    rows = {name: np.ascontiguousarray(array[:4]) for name, array in ARRAYS.items()}
    paths = [inner / f"{name}_first4.safetensors" for name in rows]
    for path, array in zip(paths, rows.values(), strict=True):
        save_file({"g": array}, path)
    joined = lambda path: {path.stem[:-7]: load_file(path)["g"]}  # noqa: E731
    return Given([folder / "step7"], paths, [rows], joined, glanced=_three(paths))


def given_params(folder: Path) -> Given:
    """Write a file for each parameter; name the files."""
    given = params(folder)
    return replace(given, paths=given.files, glanced=given.files[:1])


def shard(folder: Path, number: int, pieces: Mapping[str, tuple[tuple[int, ...], NDArray[Any]]]) -> Path:
    """Write the pieces of a rank, each with its offsets, as PyTorch's distributed checkpoint does."""
    path = folder / f"shard-{number:05d}-model-00001-of-00001.safetensors"
    info = {name: {"saved_offsets": list(offsets)} for name, (offsets, _) in pieces.items()}
    metadata = {"format": "pt", "DCP_VERSION": "1.0", "DCP_SHARDING_INFO": json.dumps(info)}
    save_file({name: np.ascontiguousarray(array) for name, (_, array) in pieces.items()}, path, metadata)
    return path


def dcp(folder: Path) -> Given:
    """Write four rows of each tensor to the file of one rank and two to that of another; name the second."""
    return _two_ranks(folder, "")


def dcp_copies(folder: Path) -> Given:
    """Write four rows of each tensor to the file of one rank and two to that of another; both hold the whole of one tensor."""
    return _two_ranks(folder, "layers.1.bias")


def _two_ranks(folder: Path, copied: str) -> Given:
    paths = []
    for rank, rows in enumerate((slice(4), slice(4, 6)), 1):
        pieces = {name: ((rows.start or 0, 0), array[rows]) for name, array in ARRAYS.items()}
        pieces |= {name: ((0, 0), ARRAYS[name]) for name in pieces if name == copied}
        paths.append(shard(folder, rank, pieces))
    return Given([paths[1]], paths, [ARRAYS], load_file, glanced=paths[:1])


def dcp_columns(folder: Path) -> Given:
    """Write a quarter of each tensor, by rows and columns, to the files of four ranks; name their folder."""
    paths = [
        shard(
            folder,
            rank,
            {name: ((r, c), array[r : r + 3][:, c : c + 2 if c == 0 else None]) for name, array in ARRAYS.items()},
        )
        for rank, (r, c) in enumerate([(0, 0), (0, 2), (3, 0), (3, 2)], 1)
    ]
    return Given([folder], paths, [ARRAYS], load_file, glanced=[paths[0], *paths[:3]])


def keras(folder: Path) -> Given:
    """Write the shards of a Keras model, with variables of one layer in two of them, and their index; name the index."""
    given = keras_shards(folder)
    weight_map: dict[str, Any] = {}
    for path in given.files:
        for name in given.joined(path):
            weight_map.setdefault(f"/{name.rpartition('/')[0]}", set()).add(path.name)
    index = folder / "model.weights.json"
    listed = {group: sorted(names) if len(names) > 1 else min(names) for group, names in weight_map.items()}
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": listed}))
    return replace(given, paths=[index], files=[*given.files, index], glanced=())


def keras_shards(folder: Path) -> Given:
    """Write the shards of a Keras model without an index; name the second."""
    arrays = {f"layers/dense_{name[7]}/vars/{name[9:] == 'bias':d}": array for name, array in ARRAYS.items()}
    paths = [folder / f"model_{k:05d}.weights.h5" for k in range(2)]
    for k, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            for name in list(arrays)[3 * k : 3 * k + 3]:
                file[name] = arrays[name]
            file.create_group("optimizer/vars")
    return Given([paths[1]], paths, [arrays], load, glanced=paths)


def parts(folder: Path) -> Given:
    """Write the tensors of two stages of a pipeline, whose layers differ; name both files."""
    paths = [folder / f"step_7_stage{k}.safetensors" for k in range(2)]
    for k, path in enumerate(paths):
        save_file({name: array for name, array in ARRAYS.items() if (name[7] == "2") == k}, path)
    return Given(paths, paths, [ARRAYS], load_file, glanced=paths)


WRITERS: dict[str, Callable[[Path], Given]] = {
    "index": index,
    "index: stale shards": stale,
    "keras": keras,
    "keras: shards": keras_shards,
    "dcp": dcp,
    "dcp: columns": dcp_columns,
    "dcp: copies": dcp_copies,
    "captured": captured,
    "numbered": numbered,
    "params": params,
    "params: own names": own_names,
    "params: first rows": first_rows,
    "params: files": given_params,
    "parts": parts,
    "single": single,
    "ranks": ranks,
    "series": series,
}
"""By the module of the layout, and what is special."""
