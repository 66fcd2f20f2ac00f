"""Patterns choose tensors."""

import pytest

from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.dtypes import FLOAT32
from gradclip_cli.tensors import TensorSpec


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ((), (), ["fc.weight", "fc.bias", "lstm.bias"]),
        (("fc.*",), (), ["fc.weight", "fc.bias"]),
        ((), ("*.bias",), ["fc.weight"]),
        (("fc.*", "lstm.*"), ("fc.b*",), ["fc.weight", "lstm.bias"]),
        (("FC.*",), (), []),
        (("fc.[bw]*",), (), ["fc.weight", "fc.bias"]),
    ],
)
def test_patterns_choose(include: tuple[str, ...], exclude: tuple[str, ...], taken: list[str]) -> None:
    """A tensor counts if an include matches (or there is none) and no exclude does; case matters."""
    selection = Selection(include, exclude)
    assert [name for name in ("fc.weight", "fc.bias", "lstm.bias") if selection.takes(name)] == taken


def test_what_has_another_role_counts_only_by_include() -> None:
    """A tensor that its file marks as no gradient counts if the user has named tensors to take, and only then."""
    scale, gradient = (TensorSpec("x", FLOAT32, (3,), role=role) for role in ("dimension scales", None))
    assert [Selection(*patterns).counts(scale) for patterns in ((), (("x",),), ((), ("y",)))] == [False, True, False]
    assert Selection().counts(gradient)
