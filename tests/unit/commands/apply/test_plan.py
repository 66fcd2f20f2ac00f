"""A plan for `apply` that contradicts itself cannot be made."""

import math
from typing import Any

import pytest

from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.strategies import STRATEGIES, find
from gradclip_cli.strategies.base import Norm

CLIP, VALUE, NONE, RENORM = (
    find(name) for name in ("clip-l2-per-layer", "clip-by-value", "none", "renormalize-l2-per-layer")
)


def plan(strategy: str = "clip-l2-per-layer", threshold: float | None = 1.0, **rest: Any) -> ApplyPlan:
    """A request over one dump."""
    return ApplyPlan((single("a"),), (None,), find(strategy), threshold, **rest)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_a_threshold_is_given_exactly_where_it_is_used(strategy: Any) -> None:
    """A strategy that needs a threshold is refused without one, and one that takes none is refused with one."""
    beside = {"weights": (single("w"),)} if strategy.takes_weights else {}
    assert plan(strategy.name, 1.0 if strategy.takes_threshold else None, **beside).strategy is strategy
    with pytest.raises(UsageError, match="needs a threshold" if strategy.takes_threshold else "takes no threshold"):
        plan(strategy.name, None if strategy.takes_threshold else 1.0, **beside)


@pytest.mark.parametrize("strategy", ["none", "clip-by-value", "renormalize-l2-per-param-type"])
def test_a_norm_is_given_only_where_it_is_used(strategy: str) -> None:
    """--norm-type and --epsilon with a strategy that cannot use them are wrong usage."""
    with pytest.raises(UsageError, match="neither --norm-type nor --epsilon"):
        plan(strategy, 1.0 if strategy == "clip-by-value" else None, norm=Norm())


def test_a_norm_is_fine_where_any_layer_uses_it() -> None:
    """An override that uses a norm makes --norm-type useful."""
    assert plan("none", None, norm=Norm(1.0), overrides=(Override("a", CLIP, 1.0),)).norm == Norm(1.0)


@pytest.mark.parametrize("p", [0.1, 1.0, 2.0, 64.0, math.inf])
def test_norm_types_in_range(p: float) -> None:
    """P is inf or from 0.1 to 64."""
    assert Norm(p).type == p


@pytest.mark.parametrize("p", [0.0, 0.09, -1.0, 64.1, math.nan, -math.inf])
def test_norm_types_out_of_range(p: float) -> None:
    """Any other P is wrong usage."""
    with pytest.raises(UsageError, match="norm type"):
        Norm(p)


@pytest.mark.parametrize("epsilon", [-1e-9, math.nan, math.inf])
def test_epsilon_out_of_range(epsilon: float) -> None:
    """Epsilon is a finite number of at least 0."""
    with pytest.raises(UsageError, match="epsilon"):
        Norm(2.0, epsilon)


def test_an_override_says_something() -> None:
    """A pattern with neither strategy nor threshold is wrong usage."""
    with pytest.raises(UsageError, match="needs a strategy, a threshold, or both"):
        Override("fc")


@pytest.mark.parametrize("strategy", [NONE, RENORM])
def test_an_explicit_threshold_needs_a_strategy_that_takes_it(strategy: Any) -> None:
    """A threshold given to a strategy that takes none is wrong usage, in one override or inherited from the command."""
    with pytest.raises(UsageError, match="takes no threshold"):
        Override("fc", strategy, 1.0)
    with pytest.raises(UsageError, match=r"takes no threshold.*'fc'"):
        plan(strategy.name, None, overrides=(Override("fc", None, 1.0), Override("x", CLIP, 1.0)))


def test_an_inherited_threshold_is_ignored_where_none_is_taken() -> None:
    """A layer whose own strategy takes no threshold ignores the command's."""
    assert plan(overrides=(Override("fc", NONE),)).of_layer("fc") == (NONE, None)


def test_the_commands_threshold_is_fine_if_any_layer_uses_it() -> None:
    """-t beside a strategy without threshold serves the layers that have one."""
    made = plan("none", 2.0, overrides=(Override("fc", CLIP),))
    assert (made.of_layer("fc"), made.of_layer("other")) == ((CLIP, 2.0), (NONE, None))


def test_an_override_that_inherits_nothing_needs_a_threshold() -> None:
    """A layer's strategy that needs a threshold, where neither has one, is wrong usage that names the pattern."""
    with pytest.raises(UsageError, match="needs a threshold for the layers 'fc'"):
        plan("none", None, overrides=(Override("fc", CLIP),))


@pytest.mark.parametrize(
    ("layer", "strategy", "threshold"),
    [("lstm", CLIP, 1.0), ("fc.1", VALUE, 1.0), ("fc.2", VALUE, 3.0), ("fc.3", CLIP, 5.0)],
)
def test_each_half_of_an_override_falls_back_alone(layer: str, strategy: Any, threshold: float) -> None:
    """Strategy and threshold fall back to the command's independently, and the last match wins."""
    overrides = (Override("fc.?", VALUE), Override("fc.2", VALUE, 3.0), Override("fc.3", None, 5.0))
    assert plan(overrides=overrides).of_layer(layer) == (strategy, threshold)


def test_patterns_are_shell_style_and_know_case() -> None:
    """`*` matches dots too, and case matters."""
    made = plan(overrides=(Override("enc*", None, 9.0),))
    assert [made.of_layer(layer)[1] for layer in ("encoder.layers.1", "Encoder")] == [9.0, 1.0]


@pytest.mark.parametrize(
    ("strategy", "p", "overrides", "expected"),
    [
        ("clip-l2-per-layer", None, (), (2.0,)),
        ("clip-l2-per-layer", 1.0, (), (1.0,)),
        ("clip-l2-per-layer", 1.0, (Override("x", NONE),), (1.0, 2.0)),
        ("clip-l2-per-layer", 2.0, (Override("x", NONE),), (2.0,)),
        ("clip-l2-per-layer", math.inf, (Override("x", VALUE, 1.0),), (math.inf, 2.0)),
    ],
)
def test_norms_that_are_measured(
    strategy: str, p: float | None, overrides: tuple[Override, ...], expected: tuple[float, ...]
) -> None:
    """The plan's own norm is measured first, and L2 beside it for the strategies that always use that."""
    assert plan(strategy, norm=None if p is None else Norm(p), overrides=overrides).norm_types == expected
