"""Rules that skip steps, against the arithmetic of the trainers that have them, written down anew."""

import math
import random
import statistics

import numpy as np
import pytest

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.rules import parse_rule


def planted(seed: int, count: int = 400) -> list[float]:
    """Norms with spikes, some of them in a row, and one drop."""
    source = random.Random(seed)
    norms = [source.lognormvariate(0, 0.2) for _ in range(count)]
    for k in range(100, count, 37):
        norms[k] *= 30
    norms[220:226] = [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]
    norms[300] = 1e-6
    return norms


def replayed(text: str, norms: list[float]) -> Replay:
    """A rule over the norms of one group."""
    rule, matrix = parse_rule(text), np.array(norms)[:, None]
    assert isinstance(rule, AdaptiveRule)
    return replay(rule, matrix, np.ones(matrix.shape, np.bool_), matrix[:, 0])


def olmo(norms: list[float], sigma: float, length: int) -> tuple[list[bool], list[float]]:
    """OLMo-core's setter of `latest_grad_norm` and its `get_step_factor`: the buffer has the current norm last."""
    skipped, bounds, buffer = list[bool](), list[float](), list[float]()
    for norm in norms:
        buffer.append(norm)
        while len(buffer) > length + 1:
            buffer.pop(0)
        if len(buffer) < max(20, length // 2):
            skipped.append(False)
            bounds.append(math.inf)
            continue
        mean, std = statistics.fmean(buffer[:-1]), statistics.stdev(buffer[:-1])
        skipped.append(not abs(norm - mean) / std <= sigma)
        bounds.append(mean + sigma * std)
    return skipped, bounds


def maxtext(norms: list[float], factor: float, interval: int) -> tuple[list[bool], list[float]]:
    """MaxText's `skip_step_on_spikes`: a ring of norms, its mean and unbiased deviation."""
    ring, skipped, bounds = [0.0] * interval, list[bool](), list[float]()
    for count, norm in enumerate(norms):
        valid = min(count, interval)
        mean = sum(ring[:valid]) / max(1, valid)
        std = math.sqrt(sum((one - mean) ** 2 for one in ring[:valid]) / max(1, valid - 1))
        warm = count + 1 < max(2, interval // 2)
        skipped.append(not warm and not norm - mean <= factor * std)
        bounds.append(math.inf if warm else mean + factor * std)
        ring[count % interval] = norm
    return skipped, bounds


def llmc(norms: list[float], limit: float, size: int) -> tuple[list[bool], list[float]]:
    """llm.c's `update_detector`, with the old norm put back into its own place."""
    window, row, skipped, bounds = norms[:size], 0, [False] * size, [math.inf] * size
    at = 0
    for norm in norms[size:]:
        old, window[at] = window[at], norm
        mean = sum(window) / size
        std = math.sqrt(sum(one * one for one in window) / size - mean * mean)
        skipped.append(std != 0 and (norm - mean) / std > limit)
        bounds.append(mean + limit * std)
        row = row + 1 if skipped[-1] else 0
        if skipped[-1] and row < 3:
            window[at] = old
        else:
            at = (at + 1) % size
    return skipped, bounds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("skip-olmo", olmo(planted(1), 6.0, 128)),
        ("skip-olmo:2,window=30", olmo(planted(2), 2.0, 30)),
        ("skip-maxtext", maxtext(planted(1), 6.0, 128)),
        ("skip-maxtext:2,window=30", maxtext(planted(2), 2.0, 30)),
        ("skip-llmc", llmc(planted(1), 3.0, 64)),
        ("skip-llmc:2,window=30", llmc(planted(2), 2.0, 30)),
    ],
)
def test_steps_are_skipped_as_by_the_trainer(text: str, expected: tuple[list[bool], list[float]]) -> None:
    """The same steps are skipped, and the highest norm that a step may have is the same, from the same step on."""
    found = replayed(text, planted(1 if ":" not in text else 2))
    assert found.skipped[:, 0].tolist() == expected[0]
    assert found.thresholds[:, 0].tolist() == pytest.approx(expected[1], rel=1e-12)
    assert 3 < sum(expected[0]) < 60
    assert found.numerators is not None
    assert found.numerators[:, 0].tolist() == [0.0 if skips else 1.0 for skips in expected[0]]


def test_only_olmo_skips_what_is_far_below() -> None:
    """A norm far below the window is as far off as one above for OLMo, and for nobody else."""
    calm = [1.0, 1.01, 0.99, 1.02] * 40 + [1e-3]
    found = {text: bool(replayed(text, calm).skipped[-1, 0]) for text in ("skip-olmo", "skip-maxtext", "skip-llmc")}
    assert found == {"skip-olmo": True, "skip-maxtext": False, "skip-llmc": False}


@pytest.mark.parametrize("text", ["skip-olmo:6,window=19", "skip-maxtext:6,window=4", "skip-llmc:1.5,window=4"])
@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_norms_of_any_size_and_none_that_is_not_finite(text: str, scale: float) -> None:
    """What is not finite is in no window, and is not judged; no square of a norm overflows."""
    norms = [scale * one for one in [1.0, 1.1, 0.9, 1.05, 1.2] * 5] + [math.nan, math.inf] + [scale * 50]
    found = replayed(text, norms).skipped[:, 0].tolist()
    assert found[25:] == [False, False, True]
    assert found[:25] + found[27:] == replayed(text, norms[:25] + norms[27:]).skipped[:, 0].tolist()


def test_above_a_number() -> None:
    """`skip-above` skips what is above its number, and nothing else."""
    assert replayed("skip-above:5", [5.0, 5.1, math.nan, 0.0]).skipped[:, 0].tolist() == [False, True, False, False]
