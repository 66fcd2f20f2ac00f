"""Thresholds of AutoClip and ZClip, norm by norm."""

import math
import random
import sys

import numpy as np
import pytest

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.histories import AutoClip, History, ZClip
from gradclip_cli.thresholds.replays import history_of
from gradclip_cli.thresholds.rules import parse_rule

NORMS = [1.0, 1.2, 0.8, 1.0, 1.1, 5.0, 1.0, 0.0]


def steps(history: History, norms: list[float]) -> list[float]:
    """The threshold of each step."""
    return [history.step(norm) for norm in norms]


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        # sorted after five steps: .8 1 1 1.1 1.2, so P = 10 lies 0.4 of the way from the first to the second: .8 + .4 · .2
        (10.0, [1, 1.02, 0.84, 0.86, 0.88, 0.9, 0.92, 0.56]),
        (50.0, [1, 1.1, 1, 1, 1, 1.05, 1, 1]),
        (90.0, [1, 1.18, 1.16, 1.14, 1.16, 3.1, 2.72, 2.34]),
        (0.0, [1, 1, 0.8, 0.8, 0.8, 0.8, 0.8, 0]),
        (100.0, [1, 1.2, 1.2, 1.2, 1.2, 5, 5, 5]),
    ],
)
def test_autoclip_is_the_percentile_of_the_norms_so_far(percent: float, expected: list[float]) -> None:
    """The threshold of a step is the percentile of the norms up to it, itself included."""
    assert steps(AutoClip(percent), NORMS) == pytest.approx(expected, rel=1e-14)


def test_autoclip_is_what_numpy_says() -> None:
    """Over many norms the threshold is numpy's percentile of the history."""
    values = np.random.default_rng(3).lognormal(0, 2, 400).tolist()
    expected = [float(np.percentile(values[: k + 1], 37.5)) for k in range(len(values))]
    assert steps(AutoClip(37.5), values) == pytest.approx(expected, rel=1e-13)


def test_autoclip_leaves_out_what_is_not_finite() -> None:
    """A norm that is not finite is no part of the history; before the first that is there is no threshold."""
    found = steps(AutoClip(50.0), [math.nan, math.inf, 2.0, math.nan, 4.0, math.inf])
    assert found == [math.inf, math.inf, 2, 2, 3, 3]


def test_autoclip_of_zeros_is_zero() -> None:
    """A percentile may be 0, and then no threshold is applied."""
    found = steps(AutoClip(50.0), [0.0, 0.0, 0.0, 7.0])
    assert found == [0, 0, 0, 0]
    assert not any(found)


WARM = [0.5, 1.5] * 8 + [1.0] * 9
"""25 norms: their mean is 1, their variance 16 · 0.25 / 25 = 0.16, so the deviation is 0.4."""


def test_zclip_clips_nothing_in_its_first_25_steps() -> None:
    """Whatever the norms are, there is no threshold for the first 25, and one for the 26th."""
    found = steps(ZClip(2.5), [*WARM[:-1], 1e6, 1.0])
    assert found[:25] == [math.inf] * 25
    assert math.isfinite(found[25])


def test_zclip_worked_out_by_hand() -> None:
    """Up to mean + 2.5 (std + 1e-6) nothing is clipped; above, c is mean + 2.5 std · 2.5 / z, and that is what counts."""
    found = steps(ZClip(2.5), [*WARM, 2.0, 5.0, 1.2])[25:]
    # Step 26: (2 - 1) / 0.400001 is 2.49999 < 2.5; clipped would be what is above 1 + 2.5 · 0.400001.
    assert found[0] == pytest.approx(2.0000025, rel=1e-15)
    # It counts as it is: mean 0.97 · 1 + 0.03 · 2 = 1.03, var 0.97 · 0.16 + 0.03 · (2 - 1.03)² = 0.1552 + 0.028227.
    std = math.sqrt(0.183427)
    # Step 27: z = (5 - 1.03) / (std + 1e-6) = 9.27 > 2.5.
    clipped = 1.03 + 2.5 * std * 2.5 / ((5 - 1.03) / (std + 1e-6))
    assert found[1] == pytest.approx(clipped, rel=1e-14)
    assert clipped == pytest.approx(1.31877, rel=1e-5)
    # Of the 5 only 1.31877 counts: mean 0.97 · 1.03 + 0.03 · 1.31877, and the variance about that new mean.
    mean = 0.9991 + 0.03 * clipped
    std = math.sqrt(0.97 * 0.183427 + 0.03 * (clipped - mean) ** 2)
    assert found[2] == pytest.approx(mean + 2.5 * (std + 1e-6), rel=1e-14)


def test_zclip_is_what_its_authors_package_says() -> None:
    """Norms that are clipped have the thresholds of `zclip` 1.0.0 with `max_grad_norm=None`; the others have theirs not below them."""
    # `ZClip._compute_clip_val`, its float64 results; None is "no clipping".
    published = {
        2.0: None,
        5.0: 1.3187711402452527,
        1.2: None,
        2.3: 1.9169874904408237,
        100.0: 1.0818295096301687,
        1.0: None,
    }
    found = steps(ZClip(2.5), [*WARM, *published])[25:]
    for (norm, expected), threshold in zip(published.items(), found, strict=True):
        if expected is None:
            assert threshold >= norm
        else:
            assert threshold == pytest.approx(expected, rel=1e-13)


def plainly(norms: list[float], z: float) -> list[float | None]:
    """ZClip after its paper, with a variance and squares; None where nothing is clipped."""
    first, found = np.array(norms[:25]), list[float | None]([None] * 25)
    mean, var = first.mean(), first.var()
    for norm in norms[25:]:
        score = (norm - mean) / (math.sqrt(var) + 1e-6)
        clipped = mean + z * math.sqrt(var) / (score / z) if score > z else None
        found.append(clipped)
        mean = 0.97 * mean + 0.03 * (norm if clipped is None else clipped)
        var = 0.97 * var + 0.03 * ((norm if clipped is None else clipped) - mean) ** 2
    return found


@pytest.mark.parametrize("z", [0.5, 2.5, 4.0])
def test_zclip_over_many_norms(z: float) -> None:
    """With any Z, what is clipped and to what is what the plain recurrence says."""
    source = random.Random(5)
    norms = [source.lognormvariate(0, 0.5) * (20 if source.random() < 0.05 else 1) for _ in range(500)]
    expected = plainly(norms, z)
    found = steps(ZClip(z), norms)
    assert [threshold < norm for threshold, norm in zip(found, norms, strict=True)] == [c is not None for c in expected]
    clipped = [(threshold, c) for threshold, c in zip(found, expected, strict=True) if c is not None]
    assert len(clipped) > 5
    assert [pair[0] for pair in clipped] == pytest.approx([pair[1] for pair in clipped], rel=1e-12)


def by_package(
    norms: list[float], z: float, most: float | None, mode: str, option: str, factor: float, skip: bool
) -> list[float]:
    """The norm of each step after ZClip's package: its `step` with its `_compute_clip_val`, `_apply_clipping`, `_update_ema`."""
    found, first, mean, var = list[float](), norms[:25], sum(norms[:25]) / 25, 0.0
    var = sum((n - mean) ** 2 for n in first) / 25
    for k, n in enumerate(norms):
        clip = None
        if k >= 25:
            std = var**0.5
            score = (n - mean) / (std + 1e-6)
            if mode == "percentile":
                clip = mean + z * std if n > mean + z * std else None
            elif score > z:
                clip = mean if option == "mean" else (mean + z * std / (score / z)) * factor
        effective = n if clip is None else clip
        found.append(min(effective, most) if most is not None else effective)
        if k >= 25 and not (clip is not None and skip):
            mean = 0.97 * mean + (1 - 0.97) * effective
            var = 0.97 * var + (1 - 0.97) * (effective - mean) ** 2
    return found


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("zclip:2.5,max=1", (2.5, 1.0, "zscore", "adaptive_scaling", 1.0, False)),
        ("zclip:mode=percentile", (2.5, None, "percentile", "adaptive_scaling", 1.0, False)),
        ("zclip:z=1,option=mean,max=1.5", (1.0, 1.5, "zscore", "mean", 1.0, False)),
        ("zclip:2,skip=true,factor=0.8", (2.0, None, "zscore", "adaptive_scaling", 0.8, True)),
    ],
)
def test_zclip_with_all_knobs_of_its_package(
    text: str, options: tuple[float, float | None, str, str, float, bool]
) -> None:
    """Limit, mode, option, factor and skipped updates give the norms after clipping that the package's arithmetic gives."""
    source = random.Random(7)
    norms = [source.lognormvariate(0, 0.5) * (20 if source.random() < 0.05 else 1) for _ in range(300)]
    rule = parse_rule(text)
    assert isinstance(rule, AdaptiveRule)
    assert str(parse_rule(str(rule))) == str(rule)
    expected, history = by_package(norms, *options), history_of(rule)
    assert [min(norm, history.step(norm)) for norm in norms] == pytest.approx(expected, rel=1e-12)
    assert sum(after < norm for after, norm in zip(expected, norms, strict=True)) > 5


def test_zclip_leaves_out_what_is_not_finite() -> None:
    """A norm that is not finite neither counts for the warm-up nor moves anything; its threshold is the bound."""
    mixed = [*WARM[:10], math.nan, *WARM[10:], math.inf, 2.0]
    found = steps(ZClip(2.5), mixed)
    assert found[:26] == [math.inf] * 26
    assert found[26:] == pytest.approx([2.0000025, 2.0000025], rel=1e-15)


def test_zclip_after_zeros_goes_on() -> None:
    """After zeros only a spike would be clipped to 0: it has no threshold, counts as it is, and the next one has one."""
    found = steps(ZClip(2.5), [0.0] * 25 + [0.0, 1.0, 1.0])[25:]
    assert found[:2] == [pytest.approx(2.5e-6), 0.0]
    assert steps(ZClip(2.5, 0.5), [0.0] * 25 + [0.0, 1.0])[25:] == [pytest.approx(2.5e-6), 0.5]
    # mean 0.03, var 0.03 · 0.97²: z = 0.97 / (0.97 · sqrt(0.03)) = 5.77 for another 1
    std = 0.97 * math.sqrt(0.03)
    assert found[2] == pytest.approx(0.03 + 2.5 * std * 2.5 / (0.97 / (std + 1e-6)), rel=1e-13)


def test_zclip_of_one_norm_over_and_over() -> None:
    """Without any spread the threshold of a spike is the mean, as z is infinite but for what is added to the deviation."""
    assert steps(ZClip(2.5), [3.0] * 25 + [3.0, 9.0])[25:] == pytest.approx([3.0000025, 3.0], rel=1e-12)


@pytest.mark.parametrize("history", [AutoClip(50.0), ZClip(2.5), ZClip(0.0), ZClip(1e300)])
def test_norms_of_any_size(history: History) -> None:
    """Neither the largest nor the smallest float64 ends a replay, and no threshold is negative."""
    sizes = [5e-324, 1e-200, 0.0, 1.0, 1e200, sys.float_info.max] * 10
    assert not any(threshold < 0 or math.isnan(threshold) for threshold in steps(history, sizes))
