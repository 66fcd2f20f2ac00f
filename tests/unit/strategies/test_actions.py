"""Strategies turn a norm into a factor by the published formulas."""

import math

import numpy as np
import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.strategies import STRATEGIES, Group, Strategy, find
from gradclip_cli.strategies.actions import UNCHANGED, Clamp, Scale, ZeroNonfinite, action_for, group_factors

CLIPS = [strategy for strategy in STRATEGIES if strategy.takes_norm]
RENORMS = [strategy for strategy in STRATEGIES if strategy.name.startswith("renormalize")]
clips = pytest.mark.parametrize("strategy", CLIPS, ids=lambda strategy: strategy.name)
renorms = pytest.mark.parametrize("strategy", RENORMS, ids=lambda strategy: strategy.name)

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
        "clip-by-global-norm": Group.DUMP,
    }
    assert len(STRATEGIES) == 7


@clips
@pytest.mark.parametrize(
    ("norm", "threshold"), [(5.0, 1.0), (1.0000000000000002, 1.0), (1e-3, 1e-8), (1e200, 1e-200), (0.3, 0.1)]
)
def test_above_the_threshold_the_factor_is_c_over_n(strategy: Strategy, norm: float, threshold: float) -> None:
    """A norm above c, by however little, is scaled by c / n."""
    assert action_for(strategy, norm, threshold, 0.0).factor == threshold / norm


@clips
@pytest.mark.parametrize(
    ("norm", "threshold"), [(1.0, 1.0), (0.5, 1.0), (0.0, 1e-300), (1e300, math.inf), (math.inf, math.inf)]
)
def test_at_or_below_the_threshold_nothing_changes(strategy: Strategy, norm: float, threshold: float) -> None:
    """A norm of at most c leaves the group as it is; an infinite threshold always does."""
    assert action_for(strategy, norm, threshold, 0.0) == UNCHANGED


@clips
def test_epsilon_is_added_to_the_norm(strategy: Strategy) -> None:
    """With an epsilon the factor is min(1, c / (n + epsilon))."""
    assert action_for(strategy, 1.0, 1.0, 1e-6).factor == 1.0 / (1.0 + 1e-6)
    assert action_for(strategy, 0.5, 1.0, 0.5).factor == 1


@clips
def test_a_norm_that_is_not_finite(strategy: Strategy) -> None:
    """An infinite norm gives the factor 0, a NaN gives NaN."""
    assert action_for(strategy, math.inf, 2.0, 0.0).factor == 0
    assert math.isnan(action_for(strategy, math.nan, 2.0, 0.0).factor or 0.0)


@renorms
@pytest.mark.parametrize("norm", [4.0, 0.25, 1.0, 3e-310])
def test_renormalizing_divides_by_the_norm(strategy: Strategy, norm: float) -> None:
    """The factor is 1 / n whatever the norm."""
    assert action_for(strategy, norm, math.inf, 0.0).factor == 1 / norm


@renorms
def test_renormalizing_zeros_keeps_them(strategy: Strategy) -> None:
    """A group of norm 0 is left as it is, as under DL4J's guard."""
    assert action_for(strategy, 0.0, math.inf, 0.0) == UNCHANGED


def test_none_keeps_everything() -> None:
    """The strategy `none` never changes anything."""
    assert action_for(find("none"), 1e300, math.inf, 0.0) == UNCHANGED


def test_elementwise_limits_by_the_threshold() -> None:
    """The element-wise strategy limits to the threshold, whatever the norm."""
    assert action_for(find("clip-by-value"), 7.0, 0.5, 0.0) == Clamp(0.5)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(1.0, 4.0, 0.25), (1.0, 0.0, math.inf), (0.0, 0.0, math.nan), (2.0, math.inf, 0.0)],
)
def test_the_factor_of_a_scale(numerator: float, denominator: float, expected: float) -> None:
    """The factor is the quotient in IEEE arithmetic, division by zero included."""
    assert repr(Scale(numerator, denominator).factor) == repr(expected)


@pytest.mark.parametrize(
    ("action", "stats", "touched"),
    [
        (UNCHANGED, TensorStats(max_abs=1.0), False),
        (Scale(1.0, 2.0), TensorStats(max_abs=1.0), True),
        (Scale(1.0, 2.0), TensorStats(elements=5), False),
        (Scale(1.0, 2.0), TensorStats(nan=1), True),
        (Scale(1.0, math.nan), TensorStats(elements=5, zeros=5), True),
        (Clamp(1.0), TensorStats(max_abs=1.0), False),
        (Clamp(1.0), TensorStats(max_abs=1.5), True),
        (Clamp(1.0), TensorStats(posinf=1), True),
        (Clamp(1.0, keep_infinite=True), TensorStats(neginf=1), False),
        (Clamp(1.0), TensorStats(nan=1, max_abs=0.5), False),
        (Clamp(math.inf), TensorStats(posinf=1), False),
        (ZeroNonfinite(UNCHANGED), TensorStats(nan=1), True),
        (ZeroNonfinite(UNCHANGED), TensorStats(max_abs=9.0), False),
        (ZeroNonfinite(Scale(1.0, 2.0)), TensorStats(max_abs=9.0), True),
    ],
)
def test_what_an_action_changes(action: Scale | Clamp | ZeroNonfinite, stats: TensorStats, touched: bool) -> None:
    """Only a tensor of which at least one bit would change is touched; a NaN factor changes zeros as well."""
    assert action.changes(stats.max_abs, stats.nan, stats.posinf + stats.neginf) is touched


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("threshold", [0.3, 1.0, 1e-300, math.inf])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_many_factors_are_those_of_one_after_the_other(strategy: Strategy, threshold: float, epsilon: float) -> None:
    """The factors of an array of norms have the bits of the action on each; of clipped elements that of the largest."""
    norms = [0.0, 1e-310, 0.1, 0.3, math.nextafter(0.3, 1.0), 1.0, 7.5, 1e300, math.inf, math.nan]
    if strategy.group is Group.ELEMENT:
        expected = [threshold / norm if norm > threshold else 1.0 for norm in norms[:-1]]
        norms.pop()
    else:
        expected = [action_for(strategy, norm, threshold, epsilon).factor or 0.0 for norm in norms]
    found = group_factors(strategy, np.array(norms), threshold, epsilon).tolist()
    assert list(map(repr, found)) == list(map(repr, expected))
    assert group_factors(strategy, np.array(norms), np.full(len(norms), threshold), epsilon).tolist()[:-1] == found[:-1]
