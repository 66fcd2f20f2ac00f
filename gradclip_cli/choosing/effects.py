"""What a strategy would do to every group of a series: from the norms that were kept, to those after."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.choosing.samples import Lengths, Sample
from gradclip_cli.plan.stats import Trial
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import Scale
from gradclip_cli.thresholds import Rule

Matrix = NDArray[np.float64]  # steps × groups


class Effect(NamedTuple):
    """What is done to each group of each step: what it is compared by and multiplied with, and its L2 norms.

    `after` and `cosines`, those of each group with itself before, are None where they were not measured.
    """

    compared: Matrix
    factors: Matrix
    before: Matrix
    after: Matrix | None
    cosines: Matrix | None

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which groups count: those without NaN and infinities."""
        return np.isfinite(self.compared) & np.isfinite(self.before)


def compared_by(strategy: Strategy, samples: Sequence[Sample]) -> Matrix:
    """What a strategy compares with its threshold or divides by: norms of the type asked for, L2 norms, or the largest |g|."""
    if strategy.group is Group.ELEMENT:
        return np.array([sample.peaks for sample in samples])
    if not strategy.takes_norm:
        return _grouped(strategy.group, _lengths(samples))
    rows = [Lengths(sample.dump.norm, sample.layers, sample.params, {}) for sample in samples]
    return _grouped(strategy.group, rows)


def effect_of(
    one: Trial, threshold: float | Matrix, compared: Matrix, samples: Sequence[Sample], epsilon: float
) -> Effect:
    """Do to the norms what the strategy does to gradients; `threshold` is inf where it takes none, or one for each group."""
    lengths = _lengths(samples)
    before = _grouped(one.strategy.group, lengths)
    if one.strategy.group is not Group.ELEMENT:
        factors, after = _scaled(one.strategy, threshold, compared, before, epsilon)
        return Effect(compared, factors, before, after, np.ones_like(before))
    factors = np.divide(threshold, compared, out=np.ones_like(compared), where=compared > threshold)
    if not isinstance(threshold, float) or isinstance(one.threshold, Rule):
        return Effect(compared, factors, before, None, None)
    cuts = [row.cuts[threshold] for row in lengths]
    after, cosines = np.array([cut.lengths for cut in cuts]), np.array([cut.cosines for cut in cuts])
    return Effect(compared, factors, before, after, cosines)


def _scaled(
    strategy: Strategy, threshold: float | Matrix, compared: Matrix, before: Matrix, epsilon: float
) -> tuple[Matrix, Matrix]:
    """Return the factors and the L2 norms after, by the very actions that `apply` takes."""
    epsilon = epsilon if strategy.takes_norm else 0.0
    thresholds = np.broadcast_to(threshold, compared.shape).reshape(-1).tolist()
    actions = [
        strategy.decide(norm, limit, epsilon)
        for norm, limit in zip(compared.reshape(-1).tolist(), thresholds, strict=True)
    ]
    rows = [(one.numerator, one.denominator, one.factor) for one in actions if isinstance(one, Scale)]
    numerators, denominators, factors = np.array(rows, np.float64).reshape(-1, 3).T.reshape(3, *compared.shape)
    with np.errstate(all="ignore"):  # divided first, since the factor alone may be too small for a number
        after: Matrix = before / denominators * numerators
    return factors, np.where(factors == 1, before, after)


def _grouped(group: Group, rows: Sequence[Lengths]) -> Matrix:
    if group in (Group.DUMP, Group.NONE):
        return np.array([[row.dump] for row in rows])
    return np.array([row.layers if group is Group.LAYER else row.params for row in rows])


def _lengths(samples: Sequence[Sample]) -> list[Lengths]:
    return [sample.lengths for sample in samples if sample.lengths is not None]


def length(values: Matrix) -> float:
    """Return the L2 norm of norms, scaled so that no square leaves the range of float64; in any order the same bits."""
    top = float(values.max(initial=0))
    return top * math.sqrt(math.fsum(np.square(values / top).reshape(-1).tolist())) if top else 0.0
