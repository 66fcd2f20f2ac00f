"""What was done to NaN and infinities is said in one sentence a dump."""

from typing import Any

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.commands.apply.decisions import decide
from gradclip_cli.commands.apply.nonfinite import treatment
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.strategies import find

TENSORS = {
    "a.w": np.array([np.nan, 3.0]),
    "a.b": np.array([1.0]),
    "b.w": np.array([np.inf, -np.inf]),
    "c.w": np.ones(2),
}


def said(strategy: str, nonfinite: str, tensors: dict[str, Any] = TENSORS) -> tuple[str, str] | None:
    """Return the kind and the text of the note on a dump."""
    chosen = find(strategy)
    plan = ApplyPlan((), (), chosen, 1.0 if chosen.takes_threshold else None, nonfinite=nonfinite)
    [one] = decide(plan, [dump_of(tensors)]).dumps
    note = treatment(one, plan)
    assert note is None or note.changes_figures
    return None if note is None else (note.kind, note.text)


@pytest.mark.parametrize("strategy", ["clip-by-global-norm", "clip-by-norm", "clip-by-value", "none"])
def test_what_became_zero_is_counted(strategy: str) -> None:
    """Under every strategy NaN and infinities that became 0 are counted together, and their tensors named."""
    assert said(strategy, "zero") == ("zeroed", "1 NaN and 2 Inf set to 0 in a.w, b.w")


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        ("clip-by-global-norm", "nothing clipped, since a.w, b.w has 1 NaN and 2 Inf"),
        ("clip-l2-per-layer", "2 layers left as read, with 1 NaN and 2 Inf: a, b"),
        ("clip-by-norm", "2 tensors left as read, with 1 NaN and 2 Inf: a.w, b.w"),
        ("clip-by-value", "1 NaN and 2 Inf left as they are in a.w, b.w"),
    ],
)
def test_what_was_skipped_is_named(strategy: str, text: str) -> None:
    """Groups that are left as they were read are named, or the elements where each is a group."""
    assert said(strategy, "skip") == ("skipped", text)


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        ("clip-by-global-norm", "1 NaN and 2 Inf in a.w, b.w, so all gradients were multiplied by nan"),
        ("clip-l2-per-layer", "1 NaN and 2 Inf in a.w, b.w, so 2 layers were multiplied by 0 or nan"),
        ("clip-by-value", "1 NaN and 2 Inf taken as they are in a.w, b.w: NaN stays, an infinity is clipped"),
    ],
)
def test_what_spread_is_said(strategy: str, text: str) -> None:
    """As in IEEE arithmetic, an infinity makes the factor of its group 0, and NaN makes it NaN."""
    assert said(strategy, "propagate") == ("propagated", text)


@pytest.mark.parametrize("nonfinite", ["skip", "propagate"])
def test_without_a_strategy_nothing_is_done(nonfinite: str) -> None:
    """Where nothing is clipped there is nothing to say."""
    assert said("none", nonfinite) is None


def test_finite_dumps_are_silent() -> None:
    """A dump of numbers has no note under any policy."""
    assert said("clip-by-norm", "zero", {"a.w": np.ones(2)}) is None


def test_few_tensors_are_named() -> None:
    """Of many tensors three are named."""
    many = {f"l{k}.w": np.array([np.nan]) for k in range(9)}
    assert said("clip-by-norm", "zero", many) == ("zeroed", "9 NaN set to 0 in l0.w, l1.w, l2.w and 6 more")
