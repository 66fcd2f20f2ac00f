"""Single numbers called like settings, and buffers, are noted: nothing has a gradient of them."""

import shlex

import pytest

from gradclip_cli.inputs.bystanders import bystander_notes
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import FLOAT32
from gradclip_cli.tensors import TensorSpec


def notes(*tensors: tuple[str, tuple[int, ...]]) -> list[Note]:
    """Return the notes on tensors of these names and shapes, all of which count."""
    return bystander_notes("g.npz", [TensorSpec(name, FLOAT32, shape) for name, shape in tensors], range(len(tensors)))


@pytest.mark.parametrize(
    "name", ["loss", "lr", "run/learning_rate", "learnRate", "Epoch", "lora_a.alpha", "train.grad_norm", "step"]
)
def test_settings(name: str) -> None:
    """A single number that is called like a setting is noted, whatever its rank; the option leaves it out alone."""
    for shape in ((), (1,), (1, 1)):
        (note,) = notes((name, shape), ("fc.w", (2,)))
        assert (note.kind, note.changes_figures) == ("settings", True)
        words = shlex.split(note.text)
        assert words[words.index("--exclude") + 1] == name


def test_buffers() -> None:
    """Buffers of layers have no gradients in any trainer."""
    (note,) = notes(("bn.running_mean", (4,)), ("bn.running_var", (4,)), ("bn.weight", (4,)))
    assert (note.kind, note.times) == ("buffers", 2)
    assert note.text.endswith("--exclude '*running_mean' --exclude '*running_var'")


@pytest.mark.parametrize(
    "tensors",
    [
        [
            ("fc.w", (2,)),
            ("fc.alpha", (64,)),
            ("loss.weight", (1,)),
            ("lrelu.w", (1,)),
            ("norm", (1,)),
            ("my_step", (1,)),
        ],
        [],
    ],
)
def test_others_are_nothing_to_say(tensors: list[tuple[str, tuple[int, ...]]]) -> None:
    """A parameter with several elements, and a single number of a layer, give no note."""
    assert notes(*tensors) == []
