"""Rules that leave out steps whose norm stands out of a window, each as the trainer that has it judges.

Trainers judge the loss, too; here only norms are known. A norm that is not finite is in no window, and is not judged.
"""

import math
from collections import deque

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.samples import Mask, Matrix

Judged = tuple[Matrix, Mask]
"""The highest norm that a step may have (inf where it is not judged), and whether it is skipped; a number for each step."""

MOST_IN_A_ROW = 3
"""llm.c takes the third outlier in a row into its window, so that it is not stuck for ever."""


def olmo(norms: Matrix, rule: AdaptiveRule) -> Judged:
    """Skip a step with |n - mean| > sigma · std over the norms before it, up to `window` of them (std with n - 1).

    Source: allenai/OLMo-core, `SkipStepOptimizer` with its defaults. Steps are judged from max(20, window / 2) on, this one
    counted; skipped ones stay in the window. As there, a step after norms that are all the same is skipped: its z is NaN or
    infinite.
    """
    mean, std, judged = _windows(norms, rule)
    with np.errstate(all="ignore"):
        fine = np.abs(norms - mean) / std <= _argument(rule)
    return _limits(mean + _argument(rule) * std, judged), judged & ~fine


def maxtext(norms: Matrix, rule: AdaptiveRule) -> Judged:
    """Skip a step with n - mean > sigma · std over the norms before it, up to `window` of them (std with n - 1).

    Source: AI-Hypercomputer/maxtext, `skip_step_on_spikes` with its defaults, in float64. Steps are judged from
    max(2, window / 2) on, this one counted; skipped ones stay in the window. MaxText takes the norm after its own clipping,
    here it is the norm of the dump.
    """
    mean, std, judged = _windows(norms, rule)
    with np.errstate(all="ignore"):
        fine = norms - mean <= _argument(rule) * std
    return _limits(mean + _argument(rule) * std, judged), judged & ~fine


def llmc(norms: Matrix, rule: AdaptiveRule) -> Judged:
    """Skip a step with (n - mean) / std > z over the last `window` norms, this one among them (std of the population).

    Source: karpathy/llm.c, `outlier_detector.h`. The first `window` steps are not judged. A skipped norm leaves the window
    again, but for the third in a row. The code puts the old norm back one place too far (and before the window after its
    last place), so that its sums no longer fit its window; here they do, as its comments say. Sums are of the window itself.
    """
    size, found = int(rule.value("window")), np.full(len(norms), math.inf)
    skipped, window, row = np.zeros(len(norms), np.bool_), deque[float](maxlen=size), 0
    for k, norm in enumerate(norms.tolist()):
        if len(window) < size:
            window.append(norm)
            continue
        oldest = window[0]
        window.append(norm)
        mean, std = _mean_and_std(window)
        found[k] = mean + _argument(rule) * std
        skipped[k] = std > 0 and (norm - mean) / std > _argument(rule)
        row = row + 1 if skipped[k] else 0
        if 0 < row < MOST_IN_A_ROW:
            window.pop()
            window.appendleft(oldest)
    return found, skipped


def above(norms: Matrix, rule: AdaptiveRule) -> Judged:
    """Skip a step with n > X.

    Source: NVIDIA/Megatron-LM, `grad_norm_skip_threshold`, and MindFormers, `global_norm_spike_threshold`, by their names and
    documentation; MindFormers ends a training after several in a row, which is not done here.
    """
    return np.full(len(norms), _argument(rule)), norms > _argument(rule)


def _argument(rule: AdaptiveRule) -> float:
    return rule.argument or 0.0


def _windows(norms: Matrix, rule: AdaptiveRule) -> tuple[Matrix, Matrix, Mask]:
    """Return mean and deviation of the window before each step, NaN where that is empty, and which steps are judged."""
    size, scale = int(rule.value("window")), float(norms.max(initial=0)) or 1.0
    padded = np.concatenate([np.full(size, np.nan), norms / scale])[:-1]
    mean, std = np.full(len(norms), np.nan), np.full(len(norms), np.nan)
    counts = np.minimum(np.arange(len(norms)), size)
    for k in range(min(size, len(norms))):  # windows that are not full
        first = norms[:k] / scale
        mean[k], std[k] = (first.mean() if k else np.nan), (first.std(ddof=1) if k > 1 else 0.0)
    if len(norms) > size:
        full = sliding_window_view(padded, size)[size:]
        mean[size:], std[size:] = full.mean(axis=1), full.std(axis=1, ddof=1)
    return mean * scale, std * scale, counts >= rule.warm_up


def _limits(bounds: Matrix, judged: Mask) -> Matrix:
    return np.where(judged & np.isfinite(bounds), bounds, np.inf)


def _mean_and_std(values: deque[float]) -> tuple[float, float]:
    """Return mean and deviation (of the population); they are added in an order that no norm can overflow."""
    count = len(values)
    mean = math.fsum(value / count for value in values)
    return mean, math.hypot(*(value - mean for value in values)) / math.sqrt(count)
