"""Norms of gradients beside those of weights: in the rows of reports, and step by step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds.norm_table import NormTable


class Ratio(NamedTuple):
    """The L2 norm of weights, ‖g‖ / ‖w‖, and the update ratio lr · ‖g‖ / ‖w‖; None where one is not known."""

    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None

    @classmethod
    def of(cls, weight: float | None, ratio: float | None, lr: float | None) -> "Ratio":
        """Make the figures from a ratio and a learning rate."""
        return cls(weight, ratio, None if lr is None or ratio is None else lr * ratio)


class RatioTable(NamedTuple):
    """The L2 norms of weights and of gradients, steps × groups, and the learning rate if it is known."""

    weights: NormTable
    norms: NormTable
    lr: float | None

    def of_steps(self) -> list[Ratio]:
        """Return the figures of each step, of a table of one group."""
        pairs = zip(self.weights.norms[:, 0].tolist(), self.norms.norms[:, 0].tolist(), strict=True)
        return [Ratio.of(weight, _ratio(norm, weight), self.lr) for weight, norm in pairs]

    def medians(self) -> list[Ratio]:
        """Return the medians of each group over the steps that have it and where its ratio is a finite number."""
        with np.errstate(all="ignore"):
            ratios = self.norms.norms / self.weights.norms
        known = self.norms.present & np.isfinite(ratios)
        there = self.norms.present & np.isfinite(self.weights.norms)
        return [
            Ratio.of(_median(self.weights.norms[there[:, k], k]), _median(ratios[known[:, k], k]), self.lr)
            for k in range(ratios.shape[1])
        ]

    def joined(self, names: Sequence[str]) -> "RatioTable":
        """Return the table of layers of the same name together; `names` has one for each group of this table."""
        return RatioTable(self.weights.joined(names, 2.0), self.norms.joined(names, 2.0), self.lr)

    def each(self) -> NormTable:
        """Return the ratio of each group at each step, the update ratio where the learning rate is known.

        It is absent where the weights are 0 or there are none, and NaN where the gradients or the weights are not finite.
        """
        norms, weights = self.norms.norms, self.weights.norms
        known = self.norms.present & self.weights.present & (weights != 0)
        with np.errstate(over="ignore"):
            ratios = np.divide(norms, weights, out=np.zeros_like(norms), where=known & np.isfinite(norms + weights))
            ratios *= 1.0 if self.lr is None else self.lr
        ratios[known & ~np.isfinite(norms + weights)] = np.nan
        return NormTable(self.norms.groups, ratios, ~known)


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) else None


def _ratio(norm: float, weight: float) -> float | None:
    found = norm / weight if weight else None
    return found if found is not None and np.isfinite(found) else None
