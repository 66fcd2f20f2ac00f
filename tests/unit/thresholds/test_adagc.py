"""AdaGC against the arithmetic of its authors, written down anew, tensor by tensor."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.rules import parse_rule

Wide = NDArray[np.float64]


def series(steps: int = 160, tensors: int = 7) -> Wide:
    """Norms of tensors that fall and have spikes, each on a scale of its own."""
    rng = np.random.default_rng(5)
    norms = (
        rng.lognormal(0, 0.3, (steps, tensors))
        * np.geomspace(1e-3, 2, tensors)
        / np.sqrt(np.arange(1, steps + 1))[:, None]
    )
    norms[110::13, 2] *= 40
    return norms


def replayed(text: str, norms: Wide, present: NDArray[np.bool_] | None = None) -> Replay:
    """The rule over steps × tensors."""
    rule = parse_rule(text)
    assert isinstance(rule, AdaptiveRule)
    whole = np.sqrt((norms**2).sum(axis=1))
    return replay(rule, norms, np.ones(norms.shape, np.bool_) if present is None else present, whole)


def by_authors(
    norms: Wide, ratio: float, beta: float, start: int, max_norm: float = 1.0, eps: float = 1e-6
) -> list[list[float]]:
    """`AdaGC.clip_by_norm` of the authors' patch: the factor of each tensor at each step."""
    state, found = dict[int, float](), list[list[float]]()
    for step, row in enumerate(norms.tolist(), 1):
        total = math.sqrt(sum(n * n for n in row))
        coefficient = max_norm / (total + eps)
        factors = [coefficient if step <= start and coefficient < 1.0 else 1.0] * len(row)
        for k, n in enumerate(row):
            if step <= start:
                state[k] = min(state.get(k, math.inf), n * factors[k])
                continue
            average = state.setdefault(k, n)
            if n > ratio * average:
                factors[k] = (ratio * average) / (n + eps)
            state[k] = average * beta + min(n, ratio * average) * (1.0 - beta)
        found.append(factors)
    return found


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("adagc", (1.04, 0.99, 100)),
        ("adagc:lambda=1.03,beta=0.98,warmup=20", (1.03, 0.98, 20)),
        ("adagc:2,warmup=0", (2.0, 0.99, 0)),
    ],
)
def test_factors_are_those_of_the_authors(text: str, parameters: tuple[float, float, int]) -> None:
    """In the warm-up all tensors share the factor of the whole; after it each has that of its own moving mean."""
    norms = series()
    found = replayed(text, norms)
    assert found.numerators is not None
    assert found.denominators is not None
    expected = np.array(by_authors(norms, *parameters))
    np.testing.assert_allclose(found.numerators / found.denominators, expected, rtol=1e-12)
    assert (expected[parameters[2] :] < 1).any()


def test_what_is_absent_or_not_finite_moves_nothing() -> None:
    """A tensor has the history of the steps with it, whatever others do; one that comes late begins with its own norm."""
    norms, present = series(60, 3), np.ones((60, 3), np.bool_)
    present[::3, 1] = False
    present[:40, 2] = False
    norms[45, 0] = np.nan
    found = replayed("adagc:1.1,warmup=5,max=1e9", np.where(present, norms, 0.0), present)
    alone = replayed("adagc:1.1,warmup=5,max=1e9", norms[np.arange(60) != 45, :1])
    assert found.thresholds[np.arange(60) != 45, 0].tolist() == pytest.approx(
        alone.thresholds[:, 0].tolist(), rel=1e-12
    )
    assert np.isinf(found.thresholds[~present]).all()
    assert found.thresholds[40, 2] == pytest.approx(1.1 * norms[40, 2], rel=1e-12)


def test_a_tensor_of_zeros_is_not_stuck() -> None:
    """After norms of 0 only, a step is not clipped to 0, which the authors would do from then on."""
    norms = np.array([[0.0, 1.0]] * 3 + [[2.0, 1.0]] * 40)
    found = replayed("adagc:1.04,warmup=3,max=1e9", norms)
    assert np.isinf(found.thresholds[:4, 0]).all()
    assert found.thresholds[4, 0] == pytest.approx(1.04 * 0.01 * 2.0, rel=1e-12)
