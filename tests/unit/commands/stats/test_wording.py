"""Sentences say what holds, in the singular and the plural, and never what a file's name says to a shell."""

import pytest

from gradclip_cli.commands.stats import wording
from gradclip_cli.strategies import Group
from gradclip_cli.thresholds.norm_table import Step


@pytest.mark.parametrize(
    ("step", "name"),
    [(Step("a.npz", 7), "step 7"), (Step("a\n.npz", None), "a\\n.npz"), (Step(["r0.npz", "r1.npz"], None), "r0.npz")],
)
def test_steps_go_by_their_numbers_or_files(step: Step, name: str) -> None:
    """A step without a number is called by its file, the first of several, escaped."""
    assert wording.step_name(step) == name


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("run/a.npz", "run/a.npz"),
        ("a b.npz", "'a b.npz'"),
        ("$(rm).npz", "'$(rm).npz'"),
        ("a\x1b.npz", "FILE"),
        (["r0", "r1"], "FILE"),
    ],
)
def test_paths_are_typed_as_one_word(path: str | list[str], typed: str) -> None:
    """What is copied into a shell is one word of it; what cannot be typed is left to the person."""
    assert wording.shell_path(Step(path, 1)) == typed


def test_few_samples() -> None:
    """One sample is told of as one, and that nothing of it would be clipped."""
    assert wording.shortage(1, clips=False) == "only 1 sample, so nothing of it would be clipped"
    assert wording.shortage(1, clips=True) == "only 1 sample"
    assert wording.shortage(4, clips=False) == "only 4 samples"


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "1 of 9 steps is not finite and left out; the first is step 0: look at it with `gradclip check s0.npz`"),
        (3, "3 of 9 steps are not finite and left out; the first is step 0: look at it with `gradclip check s0.npz`"),
    ],
)
def test_steps_that_are_not_finite(count: int, expected: str) -> None:
    """The first of them is named, with what to do."""
    bad = [Step(f"s{k}.npz", k) for k in range(count)]
    assert wording.nonfinite_steps(bad, 9) == f"{expected}, or at all with --by step."


@pytest.mark.parametrize(
    ("explosions", "led", "expected"),
    [
        (1, True, "1 of 12 steps explodes (high), so the mean is no guide"),
        (4, False, "4 of 12 steps explode (high; and 3 more), which moves the mean little"),
    ],
)
def test_explosions(explosions: int, led: bool, expected: str) -> None:
    """The highest are named, and the others counted."""
    assert wording.exploding(["high"], explosions, 12, led=led) == expected


def test_a_spike_says_what_it_is_held_against() -> None:
    """A layer, or a whole dump, is held against its neighbours."""
    step = Step("a.npz", 3)
    assert wording.spike(step, "fc", 60.0, 20.0) == "step 3: fc 60, 20 x its neighbours"
    assert wording.spike(step, "", 60.0, 20.0) == "step 3: 60, 20 x its neighbours"


@pytest.mark.parametrize(
    ("group", "what"),
    [
        (Group.DUMP, "12 % of the steps"),
        (Group.LAYER, "12 % of the norms of layers"),
        (Group.TENSOR, "12 % of the norms of tensors"),
        (Group.ELEMENT, "elements in 12 % of the tensors"),
    ],
)
def test_what_would_be_clipped(group: Group, what: str) -> None:
    """A share is of what the strategy compares."""
    assert wording.clipping(group, 0.125) == f"it would clip {what}"
