"""Gradients that are added up from step to step are found, and neither healthy ones nor those that explode."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.findings import Arrays, Seen, seen, series

from gradclip_cli import check
from gradclip_cli.checks.accumulating import Rise, sampled
from gradclip_cli.checks.base import Follow

SIZES = {"a.w": 2048, "b.w": 512}
REST = ["exploding", "growing", "vanishing", "dominated", "spread", "unchanged"]

Random = np.random.Generator
Values = NDArray[np.float64]


def noise(random: Random) -> dict[str, Values]:
    """Return independent normal values."""
    return {name: random.standard_normal(size) for name, size in SIZES.items()}


def summed(steps: list[dict[str, Values]]) -> list[Arrays]:
    """Return the sums of the first steps, as a run without zero_grad dumps them."""
    return [
        {name: np.sum([step[name] for step in steps[: k + 1]], axis=0) for name in SIZES} for k in range(len(steps))
    ]


def around(random: Random, steps: int, size: Callable[[int], float], mean: float) -> list[dict[str, Values]]:
    """Return gradients of one direction, of `mean` times the size of the noise, times a size for each step."""
    direction = noise(random)
    every = (noise(random) for _ in range(steps))
    return [{name: size(k) * (one[name] + mean * direction[name]) for name in SIZES} for k, one in enumerate(every)]


def jitter(random: Random) -> Callable[[int], float]:
    """Return sizes that vary by a third from step to step."""
    return lambda step: float(np.exp(random.normal(0, 0.3)))


@pytest.mark.parametrize("suffix", [".safetensors", ".h5", ".npz"])
@pytest.mark.parametrize("mean", [0.0, 1.0, 5.0])
def test_sums_are_found(mean: float, suffix: str, tmp_path: Path) -> None:
    """Sums of noise, whose norms grow as √t, and of a direction with noise, which grow as t, are found once, from the first step."""
    random = np.random.default_rng(0)
    folder = series(tmp_path, summed(around(random, 12, lambda step: 1.0, mean)), suffix)
    report = check(folder, ignore=REST)
    [one] = report.findings
    assert (one.rule, one.step, one.block, one.dumps, one.steps) == ("accumulating", 1, None, 12, [(1, 12)])
    assert "zero_grad" in one.message
    assert one.value > one.limit == 0.85


def test_the_cosine_is_right(tmp_path: Path) -> None:
    """The value is the cosine of the last gradient of the sum and the one before, and the message has the norms of the dumps."""
    dumps = summed(around(np.random.default_rng(1), 8, lambda step: 1.0, 0.0))
    [one] = check(series(tmp_path, dumps), ignore=REST).findings
    a, b = dumps[-2]["a.w"], dumps[-1]["a.w"]
    assert one.value == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-12)
    first, last = (np.linalg.norm(np.concatenate(list(dump.values()))) for dump in (dumps[0], dumps[-1]))
    assert f"rises from {first:.4g} to {last:.4g} in 8 dumps in a row" in one.message


def test_a_sum_that_begins_anew_is_found(tmp_path: Path) -> None:
    """Dumps inside of batches that are accumulated are sums, too: each begins anew, and the first is reported."""
    random = np.random.default_rng(0)
    dumps = [one for _ in range(3) for one in summed([noise(random) for _ in range(8)])]
    [one] = check(series(tmp_path, dumps), ignore=REST).findings
    assert (one.rule, one.step, one.dumps) == ("accumulating", 1, 8)


def test_a_part_that_nobody_sets_to_zero(tmp_path: Path) -> None:
    """Where a small part of the dump adds up, in twice as many dumps at least, its tensors are named."""
    random = np.random.default_rng(0)
    parts = summed([noise(random) for _ in range(10)])
    dumps = [{**part, "rest.w": 1000 * random.standard_normal(4096)} for part in parts]
    folder = series(tmp_path, dumps)
    assert seen(folder, ignore=REST) == [Seen("accumulating", 1, "a", "w"), Seen("accumulating", 1, "b", "w")]
    assert seen(folder, ignore=REST, accumulating_dumps=6) == []


HEALTHY = {
    "noise": lambda random: around(random, 30, jitter(random), 0.0),
    "one direction": lambda random: around(random, 30, jitter(random), 3.0),
    "one direction that grows": lambda random: around(random, 30, lambda step: 1.03**step, 3.0),
    "smooth growth": lambda random: around(random, 30, lambda step: 1.1**step, 1000.0),
    "an explosion by 1.3": lambda random: around(random, 12, lambda step: 1.3**step, 20.0),
    "an explosion by 1.5": lambda random: around(random, 8, lambda step: 1.5**step, 20.0),
    "an explosion by 2": lambda random: around(random, 8, lambda step: 2.0**step, 1.0),
    "a smooth explosion": lambda random: around(random, 8, lambda step: 1.5**step, 1e9),
    "a jump": lambda random: around(random, 12, lambda step: 20 + 0.1 * step if step > 5 else 1.0, 5.0),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", HEALTHY)
def test_what_is_no_sum(case: str, seed: int, tmp_path: Path) -> None:
    """Healthy gradients, of any direction, and explosions are no sums, whatever the seed."""
    folder = series(tmp_path, HEALTHY[case](np.random.default_rng(seed)))
    assert seen(folder, ignore=REST) == []


def test_limits(tmp_path: Path) -> None:
    """A sum must have so many dumps, and at its end a cosine above the limit."""
    folder = series(tmp_path, summed(around(np.random.default_rng(0), 8, lambda step: 1.0, 0.0)))
    assert seen(folder, ignore=REST, accumulating_dumps=8)
    assert not seen(folder, ignore=REST, accumulating_dumps=9)
    assert not seen(folder, ignore=REST, accumulating_cosine=0.99)


def test_tiny_tensors_are_not_judged(tmp_path: Path) -> None:
    """The cosine of a few numbers says little: tensors of fewer than 64 elements are left alone."""
    dumps = [{"a.w": np.full(63, float(k))} for k in range(1, 9)]
    assert seen(series(tmp_path, dumps, ".npz"), ignore=REST) == []
    dumps = [{"a.w": np.full(64, float(k))} for k in range(1, 9)]
    assert seen(series(tmp_path, dumps, ".npz"), ignore=REST) == [Seen("accumulating", 1, "a", "w")]


def test_few_tensors_are_read_in_few_dumps() -> None:
    """Of all that rise, the first four are read again, each in at most five dumps, from the third of its rise to the last."""
    found = sampled([Rise(column, 10, 50) for column in range(9)])
    assert found == {column: [12, 22, 31, 40, 50] for column in range(4)}
    assert sampled([Rise(7, 0, 4)]) == {7: [2, 3, 4]}


def test_what_three_dumps_tell() -> None:
    """The increment, what is kept and what the oldest says follow from three norms and three cosines."""
    a, b = np.array([3.0, 0, 0]), np.array([3.0, 4, 0])
    c = np.array([3.0, 4, 12])

    def cosine(x: Values, y: Values) -> float:
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    follow = Follow(2, (3.0, 5.0, 13.0), cosine(b, c), cosine(a, b), cosine(a, c))
    assert follow.increment == pytest.approx(12)
    assert follow.kept == pytest.approx(1)
    assert follow.older == pytest.approx(0, abs=1e-12)
    alike = Follow(2, (1.0, 1.0, 1.0), 0.9, 0.9, 0.9)
    assert alike.older == pytest.approx(1)
