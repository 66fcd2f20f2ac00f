"""Slices that are zero in every dump are those that plain numpy finds in whole arrays, however these are stored and cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.matrices import crossed
from support.official import E4M3FN, FLOATS, FNUZ, Array, save_as, savez

import gradclip_cli
from gradclip_cli.text import ranges
from laws.layouts import shard
from laws.pieces import patch_pieces
from laws.test_first_nonfinite import WAYS

SHAPES = {
    "a.first": (3, 2),
    "block.w": (100, 97),
    "wide.w": (9, 20_000),
    "l.experts.w": (8, 30, 41),
    "small.w": (5, 3),
    "conv.w": (9, 2, 3, 3),
}
"""Tensors of many rows in a piece, of many pieces in a row, of several axes, and small ones."""

ZERO = {"block.w": [0, 1, 2, 50, 99], "wide.w": [3, 8], "l.experts.w": [5], "small.w": [4], "conv.w": [0, 2]}
"""What is zero throughout."""


def dumps(dtype: Any = np.float32, count: int = 4) -> list[dict[str, Array]]:
    """Return steps with slices that are zero throughout, others that are in some steps, and single zeros everywhere."""
    rng, found = np.random.default_rng(0), []
    for _ in range(count):
        step = {}
        for name, shape in SHAPES.items():
            array = rng.standard_normal(shape).astype(dtype)
            array[rng.random(shape) < 0.3] = 0
            array[:, 0] = 1
            if name in ZERO:
                array[int(rng.integers(shape[0]))] = 0
                array[ZERO[name]] = 0
                array[ZERO[name][-1]] *= np.asarray(-1).astype(dtype)  # -0 is zero, too
            step[name] = array
        found.append(step)
    return found


def expected(steps: list[dict[str, Array]]) -> dict[str, str]:
    """Look for them with numpy."""
    found = {}
    for name in steps[0]:
        zero = [(step[name].astype(np.float64) == 0).reshape(len(step[name]), -1).all(axis=1) for step in steps]
        found[name] = ranges(np.flatnonzero(np.logical_and.reduce(zero)).tolist())
    return {name: listed for name, listed in found.items() if listed}


def seen(path: Any, **options: Any) -> dict[str, str | None]:
    """Return what `check` says of them."""
    found = gradclip_cli.check(path, **options).findings
    return {f"{one.layer}.{one.param}": one.slice for one in found if one.rule == "dead"}


@pytest.mark.parametrize(("way", "jobs", "piece"), crossed(WAYS, [1, 2, 5], [1, 1 << 16, None]))
def test_they_are_what_numpy_finds(
    way: str, jobs: int, piece: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named as ranges, in every format, order, size of pieces and number of threads."""
    steps = dumps()
    assert expected(steps) == {name: ranges(which) for name, which in ZERO.items()}
    for k, tensors in enumerate(steps):
        WAYS[way](tmp_path / f"step_{k}.{way.partition('.')[2]}", tensors)
    if piece is not None:
        patch_pieces(monkeypatch, piece)
    assert seen(tmp_path, jobs=jobs) == expected(steps)


@pytest.mark.parametrize("dtype", [*FLOATS, E4M3FN, *FNUZ, np.dtype(np.complex64)], ids=str)
def test_every_dtype(dtype: np.dtype[Any], tmp_path: Path) -> None:
    """Zeros have a sign in most types; where they have none, the word of -0 is NaN, which is not zero."""
    steps = dumps(dtype)
    for k, tensors in enumerate(steps):
        save_as(tmp_path / f"step_{k}.safetensors", tensors)
    assert seen(tmp_path) == {name: ranges(which) for name, which in ZERO.items()}


def test_a_message(tmp_path: Path) -> None:
    """The sentence says how many of how many, in how many dumps, and what it means."""
    for k, tensors in enumerate(dumps()):
        savez(tmp_path / f"step_{k}.npz", **tensors)
    messages = {one.layer: one.message for one in gradclip_cli.check(tmp_path).findings if one.rule == "dead"}
    cause = "zero in all 4 dumps: frozen, not used, or behind units that are never active"
    assert messages == {
        "block": f"rows 0-2, 50, 99 of 100 are {cause}",
        "wide": f"rows 3, 8 of 9 are {cause}",
        "l.experts": f"expert 5 of 8 is {cause}",
        "small": f"row 4 of 5 is {cause}",
        "conv": f"slices 0, 2 of 9 are {cause}",
    }


def test_a_checkpoint_in_pieces(tmp_path: Path) -> None:
    """Slices of a tensor that lie in four files of a distributed checkpoint are put together first."""
    rng, folders = np.random.default_rng(0), []
    for k in range(3):
        whole = rng.standard_normal((6, 5)).astype(np.float32)
        whole[[2, 4]] = 0
        whole[5, :2] = whole[0, 2:] = 0
        folders.append(tmp_path / f"step_{k}")
        folders[-1].mkdir()
        for rank, (r, c) in enumerate([(0, 0), (0, 2), (3, 0), (3, 2)], 1):
            piece = (r, c), whole[r : r + 3][:, c : c + 2 if c == 0 else None]
            shard(folders[-1], rank, {"w": piece} | ({"a": ((0,), whole[1])} if rank == 1 else {}))
    assert seen(folders) == {"w.": "2, 4"}


def test_pieces_of_ranks(tmp_path: Path) -> None:
    """Of pieces that do not say where they belong nothing is known."""
    for k in range(3):
        (tmp_path / f"step_{k}").mkdir()
        for rank in range(2):
            piece = np.full((4, 5), k + 1.5 + rank, np.float32)
            piece[1] = 0
            save_file({"w": piece}, tmp_path / f"step_{k}" / f"rank{rank}.safetensors")
    assert seen([tmp_path / f"step_{k}" for k in range(3)], shards=True) == {}


@pytest.mark.parametrize("width", [7, 9000])
def test_slices_as_dumps(width: int, tmp_path: Path) -> None:
    """With --along 0 a slice of each dump is looked for."""
    log = np.random.default_rng(0).standard_normal((5, 6, width))
    log[:, 2] = 0
    log[:4, 3] = 0
    np.savez_compressed(tmp_path / "log.npz", a=log[:, 1], w=log)
    assert seen(tmp_path / "log.npz", along=0) == {"w.": "2"}


def test_a_series_in_one_file(tmp_path: Path) -> None:
    """The steps of a file are dumps of their own."""
    rng = np.random.default_rng(0)
    steps = {f"step{k}/a.w": rng.standard_normal((6, 4)) for k in range(4)}
    for k, array in enumerate(steps.values()):
        array[[1, k]] = 0
    savez(tmp_path / "run.npz", **steps, **{f"step{k}/0.w": np.array([1.0 + k]) for k in range(4)})
    assert seen(tmp_path / "run.npz") == {"a.w": "1"}


SILENT: dict[str, tuple[str, Any]] = {
    "the first layer": ("a.w", lambda k: [1, 2]),
    "an embedding": ("model.embed_tokens.weight", lambda k: [1, 2]),
    "half of the rows": ("head.w", lambda k: [0, 1, 2, 3]),
    "half of the rows, in one dump": ("head.w", lambda k: range(4) if k == 2 else [0]),
    "not in the last": ("head.w", lambda k: [3] if k < 4 else []),
    "not in the first": ("head.w", lambda k: [3] if k else []),
    "others each time": ("head.w", lambda k: [k]),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_is_normal(case: str, tmp_path: Path) -> None:
    """Tokens that did not occur leave rows of zeros, and a tensor of which half is zero may be an embedding by another name."""
    name, zero = SILENT[case]
    for k in range(5):
        array = np.random.default_rng(k).standard_normal((8, 5))
        array[list(zero(k))] = 0
        savez(tmp_path / f"step_{k}.npz", **{name: array, "b.b": np.array([1.0 + k])})
    assert seen(tmp_path) == {}


def test_two_dumps_are_too_few(tmp_path: Path) -> None:
    """What is zero in two dumps only may be chance."""
    for k, tensors in enumerate(dumps(count=2)):
        savez(tmp_path / f"step_{k}.npz", **tensors)
    assert seen(tmp_path) == {}


def test_dumps_may_lack_a_tensor(tmp_path: Path) -> None:
    """A slice is judged by the dumps that have its tensor."""
    for k in range(6):
        array = np.full((5, 4), k + 1.5)
        array[2] = 0
        savez(tmp_path / f"step_{k}.npz", **({"b.w": array} if k % 2 else {}), a=np.array([1.0 + k]))
    (one,) = [one for one in gradclip_cli.check(tmp_path, allow_missing=True).findings if one.rule == "dead"]
    assert (one.step, one.slice) == (1, "2")
    assert "zero in all 3 dumps" in one.message
