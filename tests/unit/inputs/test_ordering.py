"""Dumps get their steps from words, from numbers, from metadata and from epochs, and stand in their order."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.ordering import in_step_order, numbered_by_epoch, with_steps, without_step


def steps(*paths: str) -> list[int | None]:
    """Return the steps of files, which need not exist."""
    return [source.step for source in with_steps([single(path) for path in paths])]


def test_where_steps_come_from() -> None:
    """A number in which names differ counts only where no name has a word; then the names of folders are asked."""
    assert steps("g-3.npz", "g-20.npz") == [3, 20]
    assert steps("step_7.npz", "g-20.npz") == [7, None]
    assert steps("100/g.npz", "200/g.npz") == [100, 200]
    assert steps("a.npz", "b.npz") == [None, None]
    assert steps("g-3.npz") == [None]


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    """Only files without a step in their names are asked."""
    for name, step in (("a", "5"), ("b", "x"), ("step_3", "9")):
        save_file({"w": np.ones(1)}, tmp_path / f"{name}.safetensors", {"step": step})
    paths = [str(tmp_path / f"{name}.safetensors") for name in ("a", "b", "step_3")]
    assert steps(*paths) == [5, None, 3]


def test_steps_that_come_back() -> None:
    """Dumps are numbered in the order of epochs and steps where a step is in two epochs; else their steps stay."""
    given = with_steps([single(f"epoch_{e}/step_{s}.npz") for e in (1, 0) for s in (5, 3)])
    found, (note,) = numbered_by_epoch([*given, single("best.npz")])
    assert [(source.step, source.name) for source in found] == [
        (0, "epoch 0 step 3"),
        (1, "epoch 0 step 5"),
        (2, "epoch 1 step 3"),
        (3, "epoch 1 step 5"),
        (None, None),
    ]
    assert (note.kind, note.text.endswith("step 0 is epoch_0/step_3.npz")) == ("epochs", True)
    once = with_steps([single("epoch_0/step_3.npz"), single("epoch_1/step_9.npz")])
    assert numbered_by_epoch(once) == (once, [])


def test_the_order() -> None:
    """What has no step comes last, in the order given; a note names it, but not where no dump has a step, nor a stream."""
    sources = [single(path) for path in ("z.npz", "step_2.npz", "a.npz", "step_1.npz", "-")]
    assert [source.location for source in in_step_order(sources)] == ["step_1.npz", "step_2.npz", "z.npz", "a.npz", "-"]
    assert [note.text.partition(":")[0] for note in without_step(sources)] == ["z.npz", "a.npz"]
    assert without_step([single("a.npz"), single("b.npz")]) == []
