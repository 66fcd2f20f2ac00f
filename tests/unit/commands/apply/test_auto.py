"""`-t auto` takes the threshold that `stats` advises for the same dumps."""

import math
from pathlib import Path

import numpy as np
import pytest
from support.official import savez
from support.tensors import dump_of

from gradclip_cli import apply, stats
from gradclip_cli.commands.apply.auto import choose_auto
from gradclip_cli.commands.apply.groups import norm_groups
from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.strategies import find
from gradclip_cli.thresholds.rules import AUTO

STEPS = [{"a.w": [1.0 + k / 10], "b.w": [100.0 if k == 7 else 2.0]} for k in range(12)]


def write(folder: Path) -> Path:
    """Twelve dumps, of which step 7 explodes."""
    for k, tensors in enumerate(STEPS):
        savez(folder / f"step_{k}.npz", **{name: np.array(values) for name, values in tensors.items()})
    return folder


@pytest.mark.parametrize("strategy", ["clip-by-global-norm", "clip-l2-per-layer", "clip-by-norm", "clip-by-value"])
def test_auto_is_what_stats_advises(strategy: str, tmp_path: Path) -> None:
    """Number and rule are those of the advice, of `stats --rule auto` and of the report of `apply`."""
    advice = stats(write(tmp_path), strategy=strategy).advice
    suggestion = stats(tmp_path, strategy=strategy, rule="auto").suggestions[0]
    found = apply(tmp_path, strategy=strategy, threshold="auto", dry_run=True)
    assert advice is not None
    assert advice.threshold is not None
    assert (found.threshold, found.rule) == (advice.threshold, advice.rule)
    assert (suggestion.threshold, suggestion.rule) == (advice.threshold, advice.rule)
    assert [note.text for note in found.notes] == [
        f"-t auto: {find(strategy).name} at {advice.threshold:.6g}, by {advice.rule}"
    ]


def test_the_robust_rule_is_taken_by_hand(tmp_path: Path) -> None:
    """Step 7 leads the mean of the norms √((1 + k/10)² + 2²), so that median + 5 · 1.4826 · MAD is taken."""
    norms = [math.hypot(*(values[0] for values in step.values())) for step in STEPS]
    median = float(np.median(norms))
    expected = median + 5 * 1.4826 * float(np.median(np.abs(np.array(norms) - median)))
    found = apply(write(tmp_path), strategy="clip-by-global-norm", threshold="auto", dry_run=True)
    assert (found.rule, found.threshold) == ("mad:5", pytest.approx(expected))


def test_reports_name_the_rule(tmp_path: Path) -> None:
    """A rule is named as it was given; a number has none."""
    write(tmp_path)
    assert apply(tmp_path, strategy="clip-by-norm", threshold="median", dry_run=True).rule == "median"
    assert apply(tmp_path, strategy="clip-by-norm", threshold=1.0, dry_run=True).rule is None


def test_one_dump_chooses_nothing(tmp_path: Path) -> None:
    """From a single step no threshold is advised, and the error says what to give."""
    with pytest.raises(InputError, match=r"by auto for clip-by-global-norm: one step does not tell .* give 10 or more"):
        apply(write(tmp_path) / "step_0.npz", strategy="clip-by-global-norm", threshold="auto", dry_run=True)


def test_only_layers_under_auto_count() -> None:
    """An override may take the advice for its own layers: the others have no part in it."""
    overrides = (Override("a", None, AUTO),)
    plan = ApplyPlan((single("a"),), (None,), find("clip-l2-per-layer"), 1.0, overrides)
    dumps = [dump_of({name: np.array(values) for name, values in step.items()}, (2.0,)) for step in STEPS]
    (one,) = choose_auto(plan, [norm_groups(dump, plan) for dump in dumps])
    assert (one.strategy.name, one.choice.rule) == ("clip-l2-per-layer", "mean")
    assert one.choice.threshold == pytest.approx(1.55)  # of 1.0 to 2.1, without the layer b
