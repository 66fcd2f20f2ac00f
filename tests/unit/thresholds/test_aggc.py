"""AGGC against the arithmetic of its authors, written down anew, type by type."""

import math

import numpy as np
import pytest

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.aggc import module_type
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.rules import parse_rule

NAMES = [
    *(f"model.layers.{k}.self_attn.{one}.weight" for k in range(3) for one in ("q_proj", "k_proj")),
    "model.norm.weight",
    "bias",
]


def series(steps: int = 80) -> list[list[float]]:
    """Norms of eight tensors, with spikes in one type."""
    rng = np.random.default_rng(9)
    norms = rng.lognormal(0, 0.3, (steps, len(NAMES)))
    norms[20::9, [0, 2]] *= 30
    norms[25::9] /= 30
    found: list[list[float]] = norms.tolist()
    return found


def replayed(text: str, norms: list[list[float]]) -> Replay:
    """The rule over steps × tensors."""
    rule, matrix = parse_rule(text), np.array(norms)
    assert isinstance(rule, AdaptiveRule)
    return replay(rule, matrix, np.ones(matrix.shape, np.bool_), matrix[:, 0], NAMES)


def by_authors(
    norms: list[list[float]],
    beta: float,
    low: float,
    high: float,
    least: float,
    up: float,
    down: float,
    *,
    raises: bool,
) -> list[list[float]]:
    """`_clip_per_module` and the update of `module_ema`; 0 for a cap means that there is none, as there."""
    means, found = {"q_proj": 0.0, "k_proj": 0.0, "norm": 0.0}, list[list[float]]()
    types = [next((one for one in means if f".{one}." in name), None) for name in NAMES]
    for row in norms:
        factors: dict[str | None, float] = {None: 1.0}
        for one, mean in means.items():
            norm = math.sqrt(sum(n * n for n, own in zip(row, types, strict=True) if own == one) + 1e-16)
            lower, upper, scale = max(least, mean * low), max(0.0, mean * high), 1.0
            if upper > 0.0 and norm > upper + 1e-12:
                scale = upper / (norm + 1e-12)
                scale = max(scale, down) if down > 0.0 else scale
            elif raises and lower > 0.0 and norm < lower - 1e-12:
                scale = lower / (norm + 1e-12)
                scale = min(scale, up) if up > 0.0 else scale
            factors[one] = scale
            means[one] = beta * mean + (1.0 - beta) * (norm * scale)
        found.append([factors[own] for own in types])
    return found


@pytest.mark.parametrize(
    ("text", "parameters", "raises"),
    [
        ("aggc", (0.98, 1.0, 1.0, 0.0, 0.0, 0.0), False),
        ("aggc:0.95,low=0.95,high=0.6,min=0.01,down=0.9,up=1.1", (0.95, 0.95, 0.6, 0.01, 1.1, 0.9), False),
        ("aggc:beta=0.5,low=0.9,high=2,raise=true", (0.5, 0.9, 2.0, 0.0, 0.0, 0.0), True),
        ("aggc:0.5,low=0.9,high=2,raise=true,up=1.1,down=0.8,min=3", (0.5, 0.9, 2.0, 3.0, 1.1, 0.8), True),
    ],
)
def test_factors_are_those_of_the_authors(text: str, parameters: tuple[float, ...], raises: bool) -> None:
    """All tensors of a type share its factor, over all layers; what is of no type stays as it is."""
    norms = series()
    found = replayed(text, norms)
    assert found.numerators is not None
    assert found.denominators is not None
    factors = found.numerators / found.denominators
    expected = np.array(by_authors(norms, *parameters, raises=raises))
    np.testing.assert_allclose(factors, expected, rtol=1e-12)
    assert (factors[:, -1] == 1).all()
    assert (factors < 1).any()
    assert (factors > 1).any() == raises


def test_a_norm_that_is_not_finite_moves_nothing() -> None:
    """A type with such a norm is left as it is at that step, and goes on as if it were not there."""
    norms = series(30)
    broken = [*norms[:10], [math.nan] * len(NAMES), *norms[10:]]
    found, plain = replayed("aggc:0.5,high=2", broken), replayed("aggc:0.5,high=2", norms)
    assert found.numerators is not None
    assert plain.numerators is not None
    assert (found.numerators[10] == 1).all()
    assert np.delete(found.numerators, 10, axis=0).tolist() == plain.numerators.tolist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("model.embed_tokens.weight", "embed_tokens"), ("lm_head.weight", "lm_head"), ("fc.0.weight", None)],
)
def test_types_are_read_from_names(name: str, expected: str | None) -> None:
    """The component before the last is the type, unless it is a number."""
    assert module_type(name) == expected
