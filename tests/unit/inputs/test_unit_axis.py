"""Names tell the axis of outputs where frameworks have their own."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.unit_axis import FIRST, LAST, axis_notes, check_units, check_weights, named_axis, unit_axes
from gradclip_cli.strategies import find

UNITS, ADAPTIVE, GLOBAL = find("clip-by-unit-norm"), find("agc"), find("clip-by-global-norm")


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("h.0.attn.weight", FIRST),
        ("lstm.weight_hh_l0", FIRST),
        ("attn.in_proj_weight", FIRST),
        ("word_embeddings.weight", FIRST),
        ("params/Dense_0/kernel", LAST),
        ("dense/dense/kernel:0", LAST),
        ("lstm/recurrent_kernel", LAST),
        ("Embed_0/embedding", LAST),
        ("layers/dense/vars/0", LAST),
        ("0_W", None),
        ("head.bias", None),
    ],
)
def test_names_tell_the_axis(name: str, axis: str | None) -> None:
    """PyTorch's weights have outputs first, kernels and embeddings of Flax, Keras and TensorFlow last."""
    assert named_axis(name) == axis


def test_other_tensors_are_like_most_of_their_file() -> None:
    """What a name does not tell is as most of the names that do; an axis that is given is that of all."""
    assert unit_axes(["a.kernel", "b.kernel", "c.weight", "d.scale"], "auto") == [LAST, LAST, FIRST, LAST]
    assert unit_axes(["0_W", "1_W"], "auto") == [FIRST, FIRST]
    assert unit_axes(["a.weight", "b.kernel"], LAST) == [LAST, LAST]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.weight"], False),
        (["a.kernel", "b.scale"], False),
        (["a.weight", "b.kernel"], True),
        (["0_W"], True),
        ([], False),
    ],
)
def test_what_is_open_is_said(names: list[str], *, told: bool) -> None:
    """A note says where names tell both axes, or none."""
    assert bool(axis_notes("g.npz", names, "auto")) is told
    assert not axis_notes("g.npz", names, LAST)


def test_wrong_usage() -> None:
    """An axis without units, units of slices, weights that are lacking or of no use, and a least norm below 0 are refused."""
    for call in (
        lambda: check_units([GLOBAL], None, "last"),
        lambda: check_units([UNITS], None, "middle"),
        lambda: check_units([UNITS], 0, "auto"),
        lambda: check_weights([ADAPTIVE], False, 1e-3),
        lambda: check_weights([GLOBAL], True, 1e-3),
        lambda: check_weights([ADAPTIVE], True, -1.0),
    ):
        with pytest.raises(UsageError):
            call()
    check_weights([GLOBAL], True, 1e-3, shown=True)
