"""All dumps are decided on together, and only where the plan fits them."""

from typing import Any

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.commands.apply.decisions import Decisions, decide
from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.errors import NonFiniteError, UsageError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.strategies import find
from gradclip_cli.thresholds.rules import parse

NORMS = (3.0, 4.0, 8.0)


def decided(threshold: str, norms: tuple[float, ...] = NORMS, **rest: Any) -> tuple[ApplyPlan, Decisions]:
    """A plan, and what it makes of dumps of one tensor with these norms."""
    plan = ApplyPlan((single("a"),), (None,), find("clip-by-global-norm"), parse(threshold), **rest)
    dumps = [dump_of({"l.w": np.array([norm, 0.0])}, path=f"step{k}.npz", step=k) for k, norm in enumerate(norms)]
    return plan, decide(plan, dumps)


@pytest.mark.parametrize(
    ("threshold", "shown", "factors"),
    [("2", 2.0, [2 / 3, 0.5, 0.25]), ("median", 4.0, [1, 1, 0.5]), ("autoclip:0", None, [1, 0.75, 0.375])],
)
def test_the_threshold_of_all_dumps(threshold: str, shown: float | None, factors: list[float]) -> None:
    """A number and a rule are one threshold for all dumps; with a replay each step has its own, and none is shown."""
    plan, made = decided(threshold)
    assert made.threshold(plan) == shown
    assert [decision.action.factor for one in made.dumps for _, decision in one.decisions] == factors


def test_dumps_unlike_the_first_are_noted_where_a_rule_chose() -> None:
    """Norms of other shapes are no samples of one thing; to a number that does not matter."""
    for threshold, notes in (("mean", 1), ("2", 0)):
        plan = ApplyPlan((single("a"),), (None,), find("clip-by-global-norm"), parse(threshold))
        dumps = [dump_of({"l.w": np.ones(size)}, path=f"step{size}.npz") for size in (2, 3)]
        assert [note.kind for note in decide(plan, dumps).notes].count("different-shapes") == notes


def test_a_plan_that_does_not_fit() -> None:
    """A layer that is nowhere is wrong usage, and NaN an error unless a policy says what to do with it."""
    override = Override("nowhere", find("clip-by-value"), 1.0)
    with pytest.raises(UsageError, match="nowhere"):
        decided("2", overrides=(override,))
    with pytest.raises(NonFiniteError):
        decided("2", (float("nan"),))
    assert decided("2", (float("nan"),), nonfinite="skip")[1].dumps
