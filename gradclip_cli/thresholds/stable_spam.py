"""Stable-SPAM: limit the elements of each tensor by a moving mean of its largest one, then scale it by moving moments of its norm."""

from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.samples import Mask, Matrix


class Elements(Protocol):
    """What a rule asks of the elements of a series that norms do not tell; matrices are steps × tensors."""

    @property
    def peaks(self) -> Matrix:
        """The largest finite |g| of each tensor."""

    @property
    def norms(self) -> Matrix:
        """The L2 norm of the finite elements of each tensor."""

    def of_steps(self, rows: Mask) -> Self:
        """Return the elements of some steps alone."""

    def norms_under(self, limits: Matrix, limited: Mask) -> Matrix:
        """Return the L2 norms once elements above a limit are multiplied by limit / max |g|, in the tensors that are `limited`."""


class Limited(NamedTuple):
    """What a rule does to tensors whose elements are not all scaled alike, steps × tensors.

    `clipped` marks tensors with elements above their limits. The factor of all elements up to it is `numerators` / `denominators`,
    that of the largest one `largest` / `denominators`. `after` are L2 norms, `cosines` are between a tensor before and after.
    """

    clipped: Mask
    numerators: Matrix
    denominators: Matrix
    largest: Matrix
    after: Matrix
    cosines: Matrix


def stable_spam(peaks: Matrix, present: Mask, rule: AdaptiveRule, elements: Elements) -> tuple[Matrix, Limited]:
    """Return the limit on the elements of each tensor at each step (inf where it has none), and what is done to them.

    `peaks` are the largest |g| as they were read, NaN or infinite where an element is. Source: Huang et al. (2025), arXiv
    2502.17055, as in the authors' `stablespam.py` (class `StableSPAM`), with its defaults theta = 0.999, gamma1 = 0.7,
    gamma2 = 0.9 and eps = 1e-8; M, m and v are moving means of the steps of a tensor, each corrected for its bias:

        M by theta of max |g|    elements with |g| > M are multiplied by M / max |g|
        m by gamma1 of n, v by gamma2 of n², n the norm of the tensor after that
        all of it is multiplied by m / (√v + eps) / n, if n > 0

    A moving mean is moved by the inverse of the sum of its weights, which keeps a constant to the last bit; the authors divide
    two rounded numbers. Three things of the optimizer are left out. The moments of Adam, and that they are set to 0 every 1000
    steps, cannot be told from gradients. The code sets its count of steps to 1 then, too, so that its limits are far too high
    afterwards; that is not done here. The decay of gamma1 needs to know the length of the training.
    What is not finite moves nothing, and has the M, m and v of the step before.
    """
    taken = present & np.isfinite(peaks)
    limits = _moving(peaks, taken, rule.argument or 0.0)
    with np.errstate(invalid="ignore"):
        clipped = present & (elements.peaks > limits)
    norms = elements.norms_under(limits, clipped)
    wanted = _wanted(norms, taken & np.isfinite(norms), rule)
    with np.errstate(all="ignore"):
        scaled = present & np.isfinite(norms) & (norms > 0) & np.isfinite(wanted)
        parts = np.where(clipped, limits / elements.peaks, 1.0)
        share = np.minimum(norms / elements.norms, 1.0)
        cosines = np.where(clipped, share + parts / (1.0 + parts) * (1.0 / share - share), 1.0)
    numerators, denominators = np.where(scaled, wanted, 1.0), np.where(scaled, norms, 1.0)
    after = np.where(scaled, wanted, norms)
    limits = np.where(present & np.isfinite(limits), limits, np.inf)
    return limits, Limited(clipped, numerators, denominators, parts * numerators, after, np.minimum(cosines, 1.0))


def _wanted(norms: Matrix, taken: Mask, rule: AdaptiveRule) -> Matrix:
    """Return m / (√v + eps) of each step, NaN before the first norm.

    Norms are divided by a power of two, which changes no digit, so that no square leaves the range of float64.
    """
    _, exponents = np.frexp(np.where(taken, norms, 0.0).max(axis=0, initial=0.0))
    exponents = np.maximum(exponents, _LEAST)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ldexp(norms, -exponents)
        first, second = (
            _moving(one, taken, rule.value(name)) for one, name in ((values, "gamma1"), (np.square(values), "gamma2"))
        )
        found: Matrix = first / (np.sqrt(second) + np.ldexp(rule.value("eps"), -exponents))
    return found


_LEAST = -990
"""The least exponent by which norms are divided: 1e-8 times its inverse is in the range of float64."""


def _moving(values: Matrix, taken: Mask, rate: float) -> Matrix:
    """Return Σ rate^(t-k) x_k / Σ rate^(t-k) after each step t, over the values that are taken; NaN before the first of them.

    A mean of one value is that value, even after a much larger one at a rate of 0.
    """
    if taken.all():
        return _moving_of_all(values, rate)
    found, mean, weight = np.empty(values.shape), np.zeros(values.shape[1]), np.zeros(values.shape[1])
    with np.errstate(invalid="ignore"):
        for row, has, out in zip(values, taken, found, strict=True):
            np.copyto(weight, weight * rate + 1.0, where=has)
            moved = np.where(weight == 1, row, mean + (row - mean) / np.maximum(weight, 1.0))
            np.copyto(mean, moved, where=has)
            np.copyto(out, np.where(weight > 0, mean, np.nan))
    return found


def _moving_of_all(values: Matrix, rate: float) -> NDArray[np.float64]:
    """Return what `_moving` does where every step has every value."""
    found, weight = np.empty(values.shape), 0.0
    mean, moved = (np.zeros(values.shape[1]) for _ in range(2))
    for row, out in zip(values, found, strict=True):
        weight = weight * rate + 1.0
        if weight == 1:
            np.copyto(out, row)
        else:
            np.subtract(row, mean, out=moved)
            np.divide(moved, weight, out=moved)
            np.add(mean, moved, out=out)
        mean = out
    return found
