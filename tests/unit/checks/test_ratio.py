"""The ratio of gradients to weights is held against its own past, and against limits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import Tensors, save

from gradclip_cli import check
from gradclip_cli.reports.check import Finding


def run(folder: Path, change: dict[tuple[int, str], float], **options: Any) -> list[Finding]:
    """Check thirty steps of two tensors for ratios; `change` multiplies the weights of a step and a tensor."""
    rng = np.random.default_rng(0)
    for kind in "gw":
        (folder / kind).mkdir()
    for step in range(30):
        grads: Tensors = {f"{name}.w": rng.standard_normal((8, 9)) for name in "ab"}
        weights: Tensors = {name: rng.standard_normal((8, 9)) * change.get((step, name[0]), 1.0) for name in grads}
        save(folder / "g", "npz", grads, f"step_{step}")
        save(folder / "w", "npz", weights, f"step_{step}")
    report = check(folder / "g", weights=folder / "w", **options)
    return [one for one in report.findings if one.rule == "ratio"]


def test_a_ratio_that_rises_is_found(tmp_path: Path) -> None:
    """Weights that shrink at one step make the ratio of their tensor stand out, though no gradient does."""
    (one,) = run(tmp_path, {(20, "b"): 0.01})
    assert (one.step, one.layer, one.param, one.dumps) == (20, "b", "w", 1)
    assert one.value == pytest.approx(100, rel=0.5)


def test_a_dump_is_named_once(tmp_path: Path) -> None:
    """Where the ratio of the whole dump rises, the tensor is named whose own rose most."""
    (one,) = run(tmp_path, {(20, "a"): 0.01, (20, "b"): 0.003})
    assert (one.step, one.param, "of the dump" in one.message) == (20, "w", True)


def test_limits(tmp_path: Path) -> None:
    """A ratio above one limit or below the other is found, in whichever dumps it is; steady ratios are not."""
    found = run(tmp_path, {(3, "a"): 4.0, (5, "b"): 0.3}, ratio_max=2.0, ratio_min=0.5)
    assert [(one.step, one.layer, one.dumps) for one in found] == [(5, "b", 1), (3, "a", 1)]


def test_steady_ratios_are_no_problem(tmp_path: Path) -> None:
    """Nothing is found without a limit where ratios are steady, zero weights or not."""
    assert run(tmp_path, {(4, "a"): 0.0}) == []


def test_advice_is_on_what_is_found(tmp_path: Path) -> None:
    """Of a whole dump the advice is not on one tensor; beyond a limit each finding in short says which limit it is."""
    whole = {(20, name): 1e-3 for name in "ab"}
    found = [one for one in run(tmp_path, whole, ratio_max=100.0) if one.step == 20]
    (first,) = (one for one in found if one.block is None)
    assert "of this tensor" not in first.message
    assert first.message.endswith(": lower the learning rate, or clip each tensor by its weights (adaptive-clip)")
    assert all(", above 100: lower the learning rate of this tensor" in one.message for one in found if one.block)
