"""AdaGC: clip each tensor at a multiple of a moving mean of its own norm; all tensors of a step at once."""

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.samples import Mask, Matrix

Vector = NDArray[np.float64]


def adagc(norms: Matrix, present: Mask, whole: Vector, rule: AdaptiveRule) -> tuple[Matrix, Matrix, Matrix]:
    """Return thresholds (inf where there is none), and the numerators and denominators of the factors; steps × tensors.

    Source: Wang et al. (2025), arXiv 2502.11034, as in the authors' `megatron-gpt2.patch` (class `AdaGC`), with its defaults
    lambda = 1.04, beta = 0.99, eps = 1e-6, `start_clip_steps` = 100 and `max_norm` = 1, N the norm of the whole:

        steps 1 to 100  all tensors are multiplied by max / (N + eps) where that is below 1; γ is the smallest norm of the
                        tensor so far, after that
        later steps     n > λγ: multiplied by λγ / (n + eps), and then γ ← βγ + (1 - β) λγ; else γ ← βγ + (1 - β) n

    A tensor that comes later begins with γ = n. Paddle's `ClipGradByAdaptiveNorm` (ERNIE: 1.03, 0.98, eps 1e-8) has a
    warm-up of one step more, and takes the norms before the clipping of the whole; write its numbers as parameters. If γ is
    0, after norms of 0 only, the authors clip to 0 from then on; here such a step is not clipped, and γ moves on by n. A norm
    that is not finite moves nothing.
    """
    warm = min(int(rule.value("warmup")), len(norms))
    taken = present & np.isfinite(norms)
    thresholds, numerators = np.full(norms.shape, np.inf), np.ones(norms.shape)
    denominators = np.ones(norms.shape)
    eps, most = rule.value("eps"), rule.value("max")
    clips = np.isfinite(whole[:warm]) & (whole[:warm] + eps > most)
    numerators[:warm][clips] = most
    denominators[:warm][clips] = (whole[:warm][clips] + eps)[:, None]
    after = norms[:warm] / denominators[:warm] * numerators[:warm]
    thresholds[:warm][clips] = after[clips]
    gamma = np.where(taken[:warm], after, np.inf).min(axis=0, initial=np.inf)
    limits = _limits(norms[warm:], taken[warm:], gamma, rule)
    with np.errstate(invalid="ignore"):
        clipped = taken[warm:] & (norms[warm:] > limits) & (limits > 0)
    thresholds[warm:] = np.where(limits > 0, limits, np.inf)
    numerators[warm:][clipped] = limits[clipped]
    denominators[warm:][clipped] = norms[warm:][clipped] + eps
    return np.where(present, thresholds, np.inf), numerators, denominators


def _limits(norms: Matrix, taken: Mask, gamma: Vector, rule: AdaptiveRule) -> Matrix:
    """Return λγ before each step, γ being moved by each norm that is taken; that of a tensor not seen so far is inf."""
    ratio, beta = rule.argument or 0.0, rule.value("beta")
    if taken.all() and ratio > 0 and ((gamma > 0) & np.isfinite(gamma)).all():
        return _limits_of_all(norms, gamma, ratio, beta)
    found = np.empty(norms.shape)
    with np.errstate(invalid="ignore"):
        for norm, limit, has in zip(norms, found, taken, strict=True):
            np.copyto(gamma, norm, where=has & np.isinf(gamma))
            np.multiply(gamma, ratio, out=limit)
            moved = np.where(limit > 0, np.minimum(norm, limit), norm)
            np.copyto(gamma, gamma * beta + moved * (1.0 - beta), where=has)
    return found


def _limits_of_all(norms: Matrix, gamma: Vector, ratio: float, beta: float) -> Matrix:
    """Return what `_limits` does where every step has every tensor, and γ is above 0: four times as fast."""
    found, moved = np.empty(norms.shape), np.empty(len(gamma))
    for norm, limit in zip(norms, found, strict=True):
        np.multiply(gamma, ratio, out=limit)
        np.minimum(norm, limit, out=moved)
        moved *= 1.0 - beta
        gamma *= beta
        gamma += moved
    return found
