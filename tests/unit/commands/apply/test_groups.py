"""Tensors that share a norm are decided on together."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import dump_of

from gradclip_cli.commands.apply.decisions import DumpDecisions, choose_thresholds, decide_groups
from gradclip_cli.commands.apply.groups import NormGroup, norm_groups, rule_norms
from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.strategies import find
from gradclip_cli.strategies.actions import UNCHANGED, Clamp, ZeroNonfinite
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.rules import RULES, Threshold

ARRAYS: dict[str, NDArray[Any]] = {
    "a.w": np.array([3, 4], np.float32),
    "b.w": np.array([12], np.float32),
    "a.b": np.array([[12]], np.float32),
    "ids": np.array([9], np.int64),
}


def plan(strategy: str, threshold: Threshold | None = 1.0, **rest: Any) -> ApplyPlan:
    """A request over one dump."""
    return ApplyPlan((single("a"),), (None,), find(strategy), threshold, **rest)


def groups_of(plan: ApplyPlan, arrays: dict[str, NDArray[Any]] = ARRAYS) -> list[NormGroup]:
    """The groups of a dump of arrays."""
    return norm_groups(dump_of(arrays, plan.norm_types), plan)


@pytest.mark.parametrize(
    ("strategy", "members", "norms"),
    [
        ("clip-by-global-norm", [(0, 1, 2)], [math.sqrt(25 + 144 + 144)]),
        ("clip-l2-per-layer", [(0, 2), (1,)], [13, 12]),
        ("clip-l2-per-param-type", [(0,), (2,), (1,)], [5, 12, 12]),
        ("clip-by-value", [(0,), (2,), (1,)], [4, 12, 12]),
    ],
)
def test_who_shares_a_norm(strategy: str, members: list[tuple[int, ...]], norms: list[float]) -> None:
    """A group is the dump, a layer or one tensor, and its norm is over its members; integers belong to none."""
    made = plan(strategy)
    found = groups_of(made)
    assert [tuple(shared.members) for shared in found] == members
    assert [shared.norm for shared in found] == pytest.approx(norms, rel=1e-15)


def test_global_layers_form_one_group_for_each_threshold() -> None:
    """Layers clipped by the global norm share it with all others of the same threshold."""
    arrays = {f"{layer}.w": np.array([1], np.float32) for layer in "abcd"}
    found = groups_of(plan("clip-by-global-norm", overrides=(Override("[bd]", None, 2.0),)), arrays)
    assert [(tuple(shared.members), shared.threshold) for shared in found] == [((0, 2), 1.0), ((1, 3), 2.0)]


def test_a_norm_of_another_type() -> None:
    """Strategies that take a norm use the plan's type, the others L2."""
    made = plan("clip-l2-per-layer", norm=Norm(1.0), overrides=(Override("b", find("renormalize-l2-per-layer")),))
    first, second = groups_of(made, {"a.w": np.array([3, 4], np.float32), "b.w": np.array([3, 4], np.float32)})
    assert (first.norm, second.norm) == (7, 5)


def dumps(*norms: float) -> list[MeasuredDump]:
    """Dumps of one tensor with the norms given."""
    return [dump_of({"a.w": np.array([norm])}) for norm in norms]


def test_a_rule_is_chosen_over_all_dumps() -> None:
    """The threshold of a rule comes from the groups of all dumps, those that are not finite left out."""
    made = plan("clip-l2-per-layer", RULES[0])
    chosen, _ = choose_thresholds(made, [norm_groups(dump, made) for dump in dumps(1.0, 2.0, 6.0, math.inf)])
    assert chosen == {("clip-l2-per-layer", RULES[0]): 3.0}


def test_a_rule_is_over_the_strategys_own_groups() -> None:
    """A layer's rule does not count the layers of other strategies."""
    made = plan("clip-l2-per-layer", RULES[0], overrides=(Override("b", find("clip-by-value"), RULES[0]),))
    chosen, _ = choose_thresholds(
        made, [groups_of(made, {"a.w": np.array([3, 4], np.float32), "b.w": np.array([-8, 2], np.float32)})]
    )
    assert chosen == {("clip-l2-per-layer", RULES[0]): 5.0, ("clip-elementwise-absolute-value", RULES[0]): 8.0}


@pytest.mark.parametrize(("norms", "warned"), [((2.0,), True), ((2.0, 3.0), False)])
def test_a_rule_over_one_sample_warns(norms: tuple[float, ...], warned: bool) -> None:
    """A rule that has only one norm to choose from notes that nothing will be clipped."""
    made = plan("clip-by-global-norm", RULES[0])
    _, notes = choose_thresholds(made, [norm_groups(dump, made) for dump in dumps(*norms)])
    assert any("nothing will be clipped" in note.text for note in notes) is warned


def test_a_rule_without_a_finite_norm() -> None:
    """Where every norm is NaN or infinite, no threshold can be chosen."""
    made = plan("clip-by-global-norm", RULES[0])
    with pytest.raises(InputError, match="NaN or infinite; look at it with `gradclip check`") as caught:
        choose_thresholds(made, [norm_groups(dump, made) for dump in dumps(math.nan, math.inf)], ["a.npz", "b.npz"])
    assert caught.value.path == "a.npz"


def factors(made: ApplyPlan, arrays: dict[str, NDArray[Any]]) -> list[float | None]:
    """What each group is multiplied by."""
    groups = groups_of(made, arrays)
    return [decision.action.factor for _, decision in decide_groups(made, groups, choose_thresholds(made, [groups])[0])]


def test_a_group_is_scaled_by_its_own_norm() -> None:
    """Each layer has the factor of its own norm, and what is below the threshold the factor 1."""
    assert factors(plan("clip-l2-per-layer", 6.0), ARRAYS) == [6 / 13, 6 / 12]
    assert factors(plan("clip-l2-per-layer", 12.5), ARRAYS) == [12.5 / 13, 1.0]


def test_a_rule_is_put_in_the_place_of_the_threshold() -> None:
    """A group under a rule is compared with what the rule chose."""
    assert factors(plan("clip-l2-per-layer", RULES[0]), ARRAYS) == [12.5 / 13, 1.0]


def test_epsilon_counts_only_where_a_norm_is_compared() -> None:
    """An epsilon is added under the clip strategies, and not where a layer is renormalized."""
    made = plan(
        "clip-l2-per-layer", 1.0, norm=Norm(2.0, 3.0), overrides=(Override("b", find("renormalize-l2-per-layer")),)
    )
    assert factors(made, ARRAYS) == [1 / 16, 1 / 12]


BROKEN: dict[str, NDArray[Any]] = {
    "a.w": np.array([3, np.nan, 4], np.float32),
    "b.w": np.array([6, np.inf, 8], np.float32),
    "c.w": np.array([2], np.float32),
}


@pytest.mark.parametrize(
    ("policy", "expected"), [("zero", [0.2, 0.1, 0.5]), ("skip", [1, 1, 0.5]), ("propagate", [math.nan, 0, 0.5])]
)
def test_policies_for_what_is_not_finite(policy: str, expected: list[float]) -> None:
    """`zero` scales by the norm of the finite elements, `skip` leaves the group, `propagate` follows IEEE arithmetic."""
    np.testing.assert_array_equal(factors(plan("clip-l2-per-layer", 1.0, nonfinite=policy), BROKEN), expected)


@pytest.mark.parametrize(
    ("strategy", "policy", "kind"),
    [
        ("clip-by-value", "skip", Clamp(1.0, keep_infinite=True)),
        ("clip-by-value", "propagate", Clamp(1.0)),
        ("clip-by-value", "zero", ZeroNonfinite(Clamp(1.0))),
        ("none", "zero", ZeroNonfinite(UNCHANGED)),
        ("none", "propagate", UNCHANGED),
    ],
)
def test_actions_on_what_is_not_finite(strategy: str, policy: str, kind: object) -> None:
    """Element by element `skip` keeps infinities and clips the rest, `propagate` clips them, `zero` cleans first."""
    made = plan(strategy, 1.0 if strategy != "none" else None, nonfinite=policy)
    (found,) = decide_groups(made, groups_of(made, {"b.w": BROKEN["b.w"]}), {})
    assert found[1].action == kind


def test_one_nan_reaches_every_tensor_of_its_group() -> None:
    """Under `propagate` a NaN makes the whole group NaN: its tensors of zeros are touched as well."""
    arrays = {"a.w": np.array([np.nan, 1], np.float32), "a.b": np.zeros(3, np.float32)}
    made = plan("clip-l2-per-layer", 1.0, nonfinite="propagate")
    dump = dump_of(arrays)
    ((group, decision),) = decide_groups(made, norm_groups(dump, made), {})
    assert DumpDecisions(dump, [(group, decision)]).actions == dict.fromkeys(group.members, decision.action)


def test_a_rule_leaves_out_what_is_not_finite() -> None:
    """As in `stats`, a group that holds a NaN is no sample, whatever becomes of it."""
    for policy in ("zero", "skip"):
        made = plan("clip-l2-per-layer", RULES[0], nonfinite=policy)
        chosen, _ = choose_thresholds(made, [groups_of(made, BROKEN)])
        assert chosen == {("clip-l2-per-layer", RULES[0]): pytest.approx(2.0, rel=1e-15)}


def test_where_nothing_is_finite_a_rule_takes_what_is_left() -> None:
    """Where every group holds a NaN and `zero` replaces it, the norms of the finite elements are the samples."""
    made = plan("clip-by-global-norm", RULES[0], nonfinite="zero")
    groups = groups_of(made, {"a.w": np.array([np.nan, 3, 4], np.float32)})
    assert rule_norms(groups, made) == [5.0]
    assert choose_thresholds(made, [groups])[0] == {("clip-by-global-norm", RULES[0]): 5.0}
