"""Every group of every dump gets the threshold of its own step."""

import math
from typing import Any

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.commands.apply.adaptive import resolve_adaptive
from gradclip_cli.commands.apply.decisions import decide_groups
from gradclip_cli.commands.apply.groups import norm_groups
from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.strategies import find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.rules import Threshold, parse

INF = math.inf


def played(
    steps: list[dict[str, list[float]]], strategy: str, threshold: str, **rest: Any
) -> tuple[list[list[Threshold | None]], list[str]]:
    """The thresholds of the groups of each step, and the notes."""
    plan = ApplyPlan((single("a"),), (None,), find(strategy), parse(threshold), **rest)
    dumps = [dump_of({name: np.array(v, float) for name, v in step.items()}, plan.norm_types) for step in steps]
    settled, notes = resolve_adaptive(plan, [norm_groups(dump, plan) for dump in dumps])
    assert [len(decide_groups(plan, groups, {})) for groups in settled] == [len(groups) for groups in settled]
    return [[shared.threshold for shared in groups] for groups in settled], [note.text for note in notes]


STEPS = [{"a.w": [3.0], "a.b": [4.0], "b.w": [12.0]}, {"a.w": [6.0], "a.b": [8.0], "b.w": [2.0]}]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("clip-by-global-norm", [[13], [(13 + math.sqrt(104)) / 2]]),
        ("clip-l2-per-layer", [[5, 12], [7.5, 7]]),
        ("clip-by-norm", [[3, 4, 12], [4.5, 6, 7]]),
        ("clip-by-value", [[3, 4, 12], [4.5, 6, 7]]),
    ],
)
def test_every_group_has_its_own_history(strategy: str, expected: list[list[float]]) -> None:
    """The dump, each layer or each tensor has the percentile of its own norms so far."""
    found, notes = played(STEPS, strategy, "autoclip:50")
    assert found == [pytest.approx(row, rel=1e-15) for row in expected]
    assert notes == []


def test_only_layers_under_a_replay_have_one() -> None:
    """Layers with another strategy or a number keep what they have."""
    overrides = (Override("b", None, parse("autoclip:0")),)
    found, _ = played(STEPS, "clip-l2-per-layer", "1", overrides=overrides)
    assert found == [[1, 12], [1, 2]]


def test_a_group_that_is_not_in_every_dump() -> None:
    """A history is over the dumps that its group occurs in."""
    steps = [{"a": [1.0], "b": [2.0]}, {"a": [3.0]}, {"a": [5.0], "b": [4.0]}]
    assert played(steps, "clip-by-norm", "autoclip:50")[0] == [[1, 2], [2], [3, 3]]


def test_the_norm_is_of_the_type_asked_for() -> None:
    """The history holds the norms that are compared."""
    assert played([{"a": [3.0, 4.0]}, {"a": [1.0, 2.0]}], "clip-by-norm", "autoclip:0", norm=Norm(1.0))[0] == [[7], [3]]


@pytest.mark.parametrize(
    ("policy", "expected"), [("zero", [[INF], [2], [3]]), ("skip", [[INF], [2], [3]]), ("propagate", [[INF], [2], [3]])]
)
def test_what_is_not_finite(policy: str, expected: list[list[float]]) -> None:
    """A group that holds a NaN is left out, as in `stats`, and has no threshold before others."""
    steps = [{"a": [3.0, math.nan]}, {"a": [2.0]}, {"a": [4.0]}]
    assert played(steps, "clip-by-norm", "autoclip:50", nonfinite=policy)[0] == expected


@pytest.mark.parametrize(
    ("rule", "steps", "note"),
    [
        (
            "autoclip:10",
            1,
            "-t autoclip:10: clip-l2-per-param-type has only one norm for each tensor here, so nothing will be clipped",
        ),
        ("zclip", 1, "only one norm for each tensor here, and the first 25 clip nothing"),
        ("zclip", 25, "only 25 norms for each tensor here, and the first 25 clip nothing"),
        ("autoclip:10", 2, None),
        ("zclip", 26, None),
    ],
)
def test_too_few_steps_are_warned_of(rule: str, steps: int, note: str | None) -> None:
    """Where no group has more steps than those that cannot be clipped, a note says so."""
    _, notes = played([{"a": [1.0], "b": [2.0]}] * steps, "clip-by-norm", rule)
    assert [note in line for line in notes if note] == ([True] if note else [])
    assert bool(notes) is bool(note)


def test_a_threshold_of_zero_is_none_and_told() -> None:
    """A norm that would be clipped to 0 stays as it is, and a note counts such norms; norms of 0 are nothing to tell of."""
    found, notes = played([{"a": [0.0]}, {"a": [0.0]}, {"a": [0.0]}, {"a": [7.0]}], "clip-by-norm", "autoclip:50")
    assert found == [[INF]] * 4
    assert [note for note in notes if "would be 0: 1 norm above 0" in note] == notes
    assert len(notes) == 1
    assert played([{"a": [0.0]}, {"a": [0.0]}], "clip-by-norm", "autoclip:50")[1] == []


@pytest.mark.parametrize(
    ("values", "reason"), [([math.nan], "all 2 norms are NaN or infinite"), (None, "there is no norm")]
)
def test_without_a_finite_norm(values: list[float] | None, reason: str) -> None:
    """Where no norm is finite, or there is none, nothing can be chosen from."""
    steps = [{"a": values}, {"a": values}] if values else [{}]
    with pytest.raises(InputError, match=f"autoclip:10 for clip-l2-per-param-type: {reason}"):
        played(steps, "clip-by-norm", "autoclip", nonfinite="skip")
