"""Strategies are found by all of their names."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.strategies import STRATEGIES, Group, find

SPELLINGS = [
    ("None", "none"),
    ("RenormalizeL2PerLayer", "renormalize-l2-per-layer"),
    ("RenormalizeL2PerParamType", "renormalize-l2-per-param-type"),
    ("ClipElementWiseAbsoluteValue", "clip-elementwise-absolute-value"),
    ("clip_by_value", "clip-elementwise-absolute-value"),
    ("CLIP-L2-PER-LAYER", "clip-l2-per-layer"),
    ("ClipL2PerParamType", "clip-l2-per-param-type"),
    ("clip_by_norm", "clip-l2-per-param-type"),
    ("clip-global-norm", "clip-by-global-norm"),
    ("ClipByGlobalNorm", "clip-by-global-norm"),
    ("max_grad_norm", "clip-by-global-norm"),
    ("gradient_clip_val", "clip-by-global-norm"),
    ("gradient_clipping", "clip-by-global-norm"),
    ("clip-grad", "clip-by-global-norm"),
    ("clip_gradient", "clip-elementwise-absolute-value"),
]


@pytest.mark.parametrize(("text", "name"), SPELLINGS)
def test_strategies_are_found_by_any_spelling(text: str, name: str) -> None:
    """DL4J's names and those of the frameworks lead to the strategy, without regard to case, `-` and `_`."""
    assert find(text).name == name


@pytest.mark.parametrize(
    ("text", "hint"), [("clip-l2-per-layr", "did you mean clip-l2-per-layer"), ("zzz", "gradclip strategies")]
)
def test_an_unknown_strategy(text: str, hint: str) -> None:
    """A misspelt name is wrong usage, with the nearest name or where to find all of them."""
    with pytest.raises(UsageError, match=hint):
        find(text)


def test_the_registry_has_the_documented_groups() -> None:
    """Every strategy stands in the registry once, with the tensors that share a norm under it."""
    assert {strategy.name: strategy.group for strategy in STRATEGIES} == {
        "none": Group.NONE,
        "renormalize-l2-per-layer": Group.LAYER,
        "renormalize-l2-per-param-type": Group.TENSOR,
        "clip-elementwise-absolute-value": Group.ELEMENT,
        "clip-l2-per-layer": Group.LAYER,
        "clip-l2-per-param-type": Group.TENSOR,
        "clip-by-block-rms": Group.TENSOR,
        "clip-by-unit-norm": Group.UNIT,
        "adaptive-clip": Group.UNIT,
        "clip-by-global-norm": Group.DUMP,
    }
    assert len(STRATEGIES) == 10
