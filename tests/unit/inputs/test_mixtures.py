"""Names that say that a dump is no plain set of gradients of one step."""

import pytest

from gradclip_cli.inputs.mixtures import mixture_notes


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["gradients/fc.w", "gradients/fc.b", "weights/fc.w"], "'gradients/*'"),
        (["fc.w.grad", "fc.w.data"], "'*.grad'"),
        (["net/grads/w", "net/params/w"], "'*/grads/*'"),
        (["w_grad", "w"], "'*_grad'"),
        (["w.Gradient", "w"], "'*.Gradient'"),
    ],
)
def test_gradients_among_others(names: list[str], pattern: str) -> None:
    """Where some tensors are called after gradients and others not, a note gives the pattern of the former."""
    (note,) = mixture_notes("g.npz", names)
    assert (note.kind, note.changes_figures) == ("roles", True)
    assert note.text.endswith(f"give --include {pattern}")


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["epoch_1/w", "epoch_2/w"], "steps-in-names"),
        (["run/step_1/w", "run/step_2/w"], "steps-in-names"),
        (["step_1.fc.w", "step_2.fc.w"], "steps-in-names"),
        (["kernel/step_1", "kernel/step_2"], "steps-in-names"),
        (["rank_0/w", "rank_1/w"], "ranks-in-names"),
        (["micro_batch_0/w", "micro_batch_1/w"], "ranks-in-names"),
    ],
)
def test_several_steps_or_ranks(names: list[str], kind: str) -> None:
    """Steps and ranks that the names hold are noted, where they are no groups of a series."""
    (note,) = mixture_notes("g.npz", names)
    assert (note.kind, note.changes_figures, note.times) == (kind, True, 2)


@pytest.mark.parametrize(
    "names",
    [
        ["fc.w", "fc.b"],
        ["gradients/w", "gradients/b"],
        ["step_1/w", "step_2/w"],
        ["step_1/w", "step_1/b"],
        ["upgrade.w", "grad_norm.w", "batch_norm_1.w", "batch_norm_2.w"],
        ["layers.1.w", "layers.2.w"],
        [],
    ],
)
def test_plain_names_are_nothing_to_say(names: list[str]) -> None:
    """A plain dump, a series in one file and layers with such words in their names give no note."""
    assert mixture_notes("g.npz", names) == []
