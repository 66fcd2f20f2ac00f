"""Names of files say what kind they are of, and which are copies."""

import pytest

from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.kinds import copies_in, gradients_of, is_gradient, kind_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("grad.npz", "grads_5.npz", "my-gradient.h5", "GRADIENTS.npz", "step_1.grad.npz")),
        *((name, False) for name in ("upgrade.npz", "gradnorm.npz", "gradual.npz", "model.npz")),
    ],
)
def test_what_is_called_after_gradients(name: str, expected: bool) -> None:
    """The word stands by itself in the name of the file; that of its folder says nothing."""
    assert is_gradient(f"gradients/{name}") is expected


def test_a_kind_is_a_name_without_its_numbers() -> None:
    """Files of one kind differ in numbers only; the suffix belongs to the kind, in any case."""
    assert kind_of("a/step_1_grads.npz") == kind_of("b/step_20_grads.NPZ") != kind_of("a/step_1_model.npz")
    assert kind_of("step_1.npz") != kind_of("step_1.safetensors")


def test_gradients_among_other_files() -> None:
    """Those called after gradients are taken, unless none or all are, or the user has chosen."""
    mixed = ["c/gradients.npz", "c/model.npz"]
    taken, (note,) = gradients_of(mixed, "c", DEFAULT)
    assert taken == ["c/gradients.npz"]
    assert note.text.startswith("c: gradients.npz is taken, since it is called after gradients; left out: model.npz")
    for paths, choices in (
        (mixed[:1], DEFAULT),
        (mixed[1:], DEFAULT),
        (mixed, Choices(files=("*",))),
        (mixed, Choices(everything=True)),
    ):
        assert gradients_of(paths, "c", choices) == (paths, [])


def test_copies_are_known_beside_their_originals() -> None:
    """What file managers and editors add to the name of a copy counts where the original is in the same folder."""
    marks = (" (1)", ".copy", " copy", " copy 2", "_copy", "-Copy", " - Copy")
    copies = [f"a/step_2{mark}.npz" for mark in marks]
    assert copies_in(["a/step_2.npz", *copies]) == dict.fromkeys(copies, "a/step_2.npz")
    assert copies_in(["b/step_2.npz", *copies]) == {}
    assert copies_in(["a/step_2.npz", "a/step_2 (1).h5", "a/photocopy.npz"]) == {}
