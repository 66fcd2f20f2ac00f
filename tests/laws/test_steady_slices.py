"""Slices that hold the same bits in every dump are those that plain numpy finds in whole arrays, however these are stored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.matrices import crossed
from support.official import BFLOAT16, E4M3FN, Array, save_as, savez

import gradclip_cli
from gradclip_cli.commands.check import steady_slices
from laws.pieces import patch_pieces
from laws.test_first_nonfinite import WAYS

SHAPES = {
    "block.w": (100, 97),
    "wide.w": (9, 20_000),
    "l.experts.w": (8, 30, 41),
    "small.w": (5, 3),
    "conv.w": (9, 2, 3, 3),
}
STEADY = {"block.w": [0, 1, 99], "wide.w": [3, 8], "l.experts.w": [5], "small.w": [4], "conv.w": [0, 2]}


def dumps(dtype: Any = np.float32, count: int = 4) -> list[dict[str, Array]]:
    """Return steps with slices that stay the same, others that stay but in one element or in one step, and one of zeros."""
    rng, found = np.random.default_rng(0), []
    first = {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}
    for k in range(count):
        step = {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}
        for name, array in step.items():
            array[STEADY[name]] = first[name][STEADY[name]]
        for name in ("block.w", "wide.w"):
            step[name][[5, 6, 7]] = first[name][[5, 6, 7]]
            step[name][5, 70] = k + 1  # one element that is not looked at before slices are read again
            step[name][7] = 0
            if k == count - 1:
                step[name][6] = 1 - step[name][6]
        found.append(step)
    return found


def seen(path: Any, **options: Any) -> dict[str, str | None]:
    """Return what `check` says of them."""
    found = gradclip_cli.check(path, **options).findings
    return {f"{one.layer}.{one.param}": one.slice for one in found if one.rule == "unchanged"}


EXPECTED = {"block.w": "0-1, 99", "wide.w": "3, 8", "l.experts.w": "5", "small.w": "4", "conv.w": "0, 2"}


@pytest.mark.parametrize(
    ("way", "jobs", "piece"),
    crossed([way for way in WAYS if way != "turned.npz"], [1, 2, 5], [1, 1 << 16, None]),
)
def test_they_are_named(
    way: str, jobs: int, piece: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named as ranges, in every format, size of pieces and number of threads."""
    for k, tensors in enumerate(dumps()):
        WAYS[way](tmp_path / f"step_{k}.{way.partition('.')[2]}", tensors)
    if piece is not None:
        patch_pieces(monkeypatch, piece)
    assert seen(tmp_path, jobs=jobs) == EXPECTED


@pytest.mark.parametrize("dtype", [np.float64, np.float16, BFLOAT16, E4M3FN, np.complex64], ids=str)
def test_every_dtype(dtype: Any, tmp_path: Path) -> None:
    """Bits are compared, whatever they mean."""
    for k, tensors in enumerate(dumps(dtype)):
        save_as(tmp_path / f"step_{k}.safetensors", tensors)
    assert seen(tmp_path) == EXPECTED


def test_a_message(tmp_path: Path) -> None:
    """The sentence says how many of how many, in how many dumps, and what it means."""
    for k, tensors in enumerate(dumps()):
        savez(tmp_path / f"step_{k}.npz", **tensors)
    messages = {one.layer: one.message for one in gradclip_cli.check(tmp_path).findings if one.rule == "unchanged"}
    cause = "the same in all 4 dumps: gradients that are not computed anew, or the same dump more than once"
    assert messages["l.experts"] == f"expert 5 of 8 is {cause}"
    assert messages["block"] == f"rows 0-1, 99 of 100 are {cause}"


def test_a_tensor_that_is_the_same_as_a_whole(tmp_path: Path) -> None:
    """It is one finding, and is not read again for its slices."""
    for k in range(4):
        savez(tmp_path / f"step_{k}.npz", **{"a.w": np.arange(1.0, 41).reshape(8, 5), "b.w": np.array([1.0 + k])})
    assert seen(tmp_path) == {"a.w": None}


def test_two_dumps_are_too_few(tmp_path: Path) -> None:
    """Two dumps may be one that was saved twice."""
    for k, tensors in enumerate(dumps(count=2)):
        savez(tmp_path / f"step_{k}.npz", **tensors)
    assert seen(tmp_path) == {}


def test_a_series_in_one_file(tmp_path: Path) -> None:
    """The steps of a file are dumps of their own."""
    steps = {f"step{k}/{name}": array for k, step in enumerate(dumps()) for name, array in step.items()}
    savez(tmp_path / "run.npz", **steps)
    assert seen(tmp_path / "run.npz") == EXPECTED


def test_nothing_is_looked_at_once_none_can_be_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two dumps without an equal slice the others are not looked at."""
    looked = []
    real = steady_slices._samples

    def samples(*given: Any) -> Any:
        looked.append(given)
        return real(*given)

    monkeypatch.setattr(steady_slices, "_samples", samples)
    for k in range(6):
        savez(tmp_path / f"step_{k}.npz", **{"a.w": np.full((8, 5), 1.0 + k), "b.w": np.full((8, 5), 2.0 + k)})
    assert gradclip_cli.check(tmp_path, jobs=1).findings == []
    assert len(looked) == 4


def test_what_is_left_out(tmp_path: Path) -> None:
    """Many short slices, two slices, column-major order: of these tensors no slice is told apart."""
    rng = np.random.default_rng(0)
    for k in range(4):
        arrays = {"many.w": rng.standard_normal((300, 5)), "two.w": rng.standard_normal((2, 90))}
        arrays["turned.w"] = np.asfortranarray(rng.standard_normal((9, 70)))
        for array in arrays.values():
            array[1] = 7
        savez(tmp_path / f"step_{k}.npz", **arrays)
    assert seen(tmp_path) == {}
