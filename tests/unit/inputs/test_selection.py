"""Patterns choose tensors."""

import pytest

from gradclip_cli.inputs.selection import Selection


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
