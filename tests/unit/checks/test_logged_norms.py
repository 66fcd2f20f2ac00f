"""Norms of a log that are not finite are found at their steps, with the last tensor in layer order."""

import numpy as np

from gradclip_cli.checks.base import Figures, Tensor
from gradclip_cli.checks.limits import Limits
from gradclip_cli.checks.logged_norms import LoggedFigures, find_nonfinite_norms
from gradclip_cli.checks.registry import findings


def figures(whole: list[float], tensors: dict[str, list[float]]) -> Figures:
    """Figures of a log with the norms of steps, and of tensors."""
    norms = np.array(list(tensors.values())).T.reshape(len(whole), len(tensors))
    none = np.zeros(norms.shape)
    bad = (~np.isfinite(norms)).astype(float)
    names = [Tensor(name, name, "", block=name) for name in tensors]
    every = np.ones(norms.shape), none, bad, none, none, none, np.nan_to_num(norms), none, none
    steps = list(range(len(whole)))
    return LoggedFigures(
        [f"step {step}" for step in steps], names, (), *every, none[None], none[None], steps, whole=np.array(whole)
    )


def test_nothing_but_the_whole() -> None:
    """The steps are one finding, which says what it is at the first of them."""
    (found,) = find_nonfinite_norms(figures([1.0, np.nan, 2.0, np.nan], {}), Limits())
    assert (found.dumps, found.tensor, found.whole, found.value) == ([1, 3], None, True, 1)
    assert found.message == "the norm of the step is not finite"
    assert found.brief == "not finite in 2 steps"


def test_the_last_tensor_is_named() -> None:
    """Gradients flow backwards, so of the tensors that are not finite the last in layer order is named."""
    tensors = {"h.0": [1.0, np.nan], "h.1": [1.0, np.nan], "h.2": [1.0, 1.0]}
    (found,) = find_nonfinite_norms(figures([2.0, np.nan], tensors), Limits())
    assert (found.dumps, found.tensor) == ([1], 1)
    assert "nor that of 2 of 3 tensors; h.1 is the last of them" in found.message


def test_a_tensor_alone() -> None:
    """A tensor whose norm is not finite where that of the step is, is a finding of its own."""
    (found,) = find_nonfinite_norms(figures([2.0, 2.0], {"h.0": [1.0, np.inf]}), Limits())
    assert (found.dumps, found.tensor, found.whole) == ([1], 0, False)


def test_figures_of_logs_have_their_own_checks() -> None:
    """Neither the mean of elements nor their number is known: vanishing goes by the ratio of layers alone."""
    tensors = {"h.0": [1e-9] * 3, "h.1": [1.0] * 3}
    found = list(findings(["nonfinite", "vanishing"], figures([1.0] * 3, tensors), Limits()))
    assert [(rule, one.layer, one.value) for rule, one in found] == [("vanishing", "h.0", 1e-9)]
