"""A measured dump knows its tensors by name and by layer, and what a person should know of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from support.tensors import dump_of

from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import counted_without, measure_dump
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.opened import DumpFile
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.notes import Note
from gradclip_cli.storage.fingerprint import Fingerprint

ONE = np.ones(1)
DUMP = dump_of({"l10.w": ONE, "l2.b": ONE, "ids": np.arange(3), "l2.w": np.ones((2, 3))})


def test_layers_are_in_natural_order() -> None:
    """Tensors that count are put together by layer, 2 before 10, and stay in the order of the file inside."""
    assert DUMP.layers == {"l2": [1, 3], "l10": [0]}
    assert [*DUMP.named] == ["l2.b", "l2.w", "l10.w"]


def test_what_does_not_count_is_known() -> None:
    """Integers are left out; of a step of a file only its own tensors can be."""
    assert DUMP.left_out == [2]
    assert replace(DUMP, members=[0, 1]).left_out == []


def test_the_shape_of_pieces() -> None:
    """A tensor has its shape; pieces have one where theirs are equal."""
    assert DUMP.shape([3]) == (2, 3)
    assert DUMP.shape([0, 1]) == (1,)
    assert DUMP.shape([0, 3]) is None


def test_the_file_of_a_tensor() -> None:
    """Tensors are counted on from file to file."""
    files = [
        DumpFile("a", Fingerprint(0, 0, 0, 0), 0),
        DumpFile("b", Fingerprint(0, 0, 0, 0), 2),
        DumpFile("c", Fingerprint(0, 0, 0, 0), 3),
    ]
    dump = replace(DUMP, files=files)
    assert [dump.file_of(k).path for k in range(4)] == ["a", "a", "b", "c"]


def test_what_is_told_of_a_file() -> None:
    """What is no number, what keeps a file from being a series, and what may be copies are notes, each with its file."""
    assert DUMP.notes == []
    told = replace(
        DUMP, non_numeric=["words"], outside_steps=["epoch"], copy_notes=[Note("tied", "dump.npz: l2.b")]
    ).notes
    assert [note.text.partition(":")[0] for note in told] == ["dump.npz"] * 3
    assert [note.text.rpartition(" ")[2] for note in told] == ["words", "epoch", "l2.b"]


def test_every_tensor_that_counts_is_measured(tmp_path: Path) -> None:
    """A dump is read once; what was excluded is not measured, and progress is told of every byte that was."""
    save_file({"a.w": np.full(4, 2.0), "b.w": np.ones(3), "ids": np.arange(2)}, tmp_path / "g.safetensors")
    seen: list[tuple[int, str]] = []
    path = str(tmp_path / "g.safetensors")
    with Threads(1) as workers:
        run = Run(Selection(exclude=("b*",)), workers, lambda nbytes, file: seen.append((nbytes, file)))
        dump = measure_dump(single(path), (2.0,), run)
    assert {dump.tensors[k].name: dump.stats[k].max_abs for k in dump.stats} == {"a.w": 2.0}
    assert sum(nbytes for nbytes, _ in seen) == 32
    assert {file for _, file in seen} == {path}


def test_copies_count_in_no_figure() -> None:
    """A copy is in no layer and not left out either; tied tensors are known by name, and a copy of a copy by what counts for it."""
    dump = counted_without(DUMP, {1: 0})
    assert (dump.layers, dump.left_out, dump.tied) == ({"l2": [3], "l10": [0]}, [2], {"l2.b": [1]})
    assert counted_without(dump, {0: 3}).copies == {1: 3, 0: 3}
    assert counted_without(DUMP, {}) is DUMP
