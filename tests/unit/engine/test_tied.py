"""Ties are noted, or counted once and remembered for the dumps that follow."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from support.official import save

import gradclip_cli
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump, measure_dump
from gradclip_cli.engine.tied import count_tied
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection

MATRIX = np.arange(1.0, 7.0).reshape(2, 3)
OTHER = MATRIX[::-1].copy()


def series(folder: Path, dumps: list[dict[str, NDArray[np.float64]]], tied: str = "once") -> list[MeasuredDump]:
    """Measure dumps one after the other."""
    paths = [save(folder, "npz", arrays, f"step{k}") for k, arrays in enumerate(dumps)]
    with Threads(1) as workers:
        run = Run(Selection(tied=tied), workers)
        return [count_tied(measure_dump(single(str(path)), (2.0,), run), run, run.ties) for path in paths]


def test_ties_are_noted(tmp_path: Path) -> None:
    """Tensors with the same bits are noted together, and count; vectors and zeros are no ties."""
    zeros, row = np.zeros((2, 3)), np.ones((1, 4))
    arrays = {"w10": MATRIX, "w2": MATRIX, "o": OTHER, "z1": zeros, "z2": zeros, "b1": row, "b2": row}
    (dump,) = series(tmp_path, [arrays], "twice")
    assert len(dump.named) == len(arrays)
    assert [note.text.partition(": ")[2] for note in dump.notes] == [
        "w2 and w10 have the same bits, and each counts; give --tied once if they are one tensor"
    ]


def test_the_first_counts(tmp_path: Path) -> None:
    """The first in natural order counts in every dump, even where both are zero."""
    dumps = series(tmp_path, [{"w10": array, "w2": array, "o": OTHER} for array in (MATRIX, OTHER * 2, MATRIX * 0)])
    assert [[*dump.named] for dump in dumps] == [["o", "w2"]] * 3
    assert [[*dump.tied] for dump in dumps] == [["w10"]] * 3
    assert {note.text.partition(": ")[2] for dump in dumps for note in dump.notes} == {"counted once: w10 with w2"}


def test_ties_that_end(tmp_path: Path) -> None:
    """Tensors that were tied must be tied in each later dump that holds both."""
    with pytest.raises(
        InputError, match=r"step1\.npz: b: is not the same as a, which it was tied to in an earlier dump"
    ):
        series(tmp_path, [{"a": MATRIX, "b": MATRIX}, {"a": MATRIX, "b": OTHER}])
    dumps = series(tmp_path, [{"a": MATRIX, "b": MATRIX}, {"b": OTHER}, {"a": OTHER}])
    assert [[*dump.named] for dump in dumps] == [["a"], ["b"], ["a"]]


def test_ties_that_begin_later(tmp_path: Path) -> None:
    """Tensors that are equal in a later dump only both count, with a note."""
    dumps = series(tmp_path, [{"a": MATRIX, "b": OTHER}, {"a": MATRIX, "b": MATRIX}])
    assert [[*dump.named] for dump in dumps] == [["a", "b"]] * 2
    assert [note.text.partition(": ")[2] for note in dumps[1].notes] == [
        "a and b have the same bits here, but not in the first dump, so each counts"
    ]


def test_what_is_nan_everywhere_is_not_called_tied(tmp_path: Path) -> None:
    """Any two tensors of one shape are the same where all of both is NaN."""
    bad = np.full((4, 4), np.nan, np.float32)
    save_file({"a.weight": bad, "b.weight": bad}, tmp_path / "g.safetensors")
    assert [note.kind for note in gradclip_cli.stats(tmp_path / "g.safetensors").notes] == []
