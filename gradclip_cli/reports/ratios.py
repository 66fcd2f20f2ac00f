"""Norms of gradients beside those of weights, in the rows of reports."""

from typing import NamedTuple


class Ratio(NamedTuple):
    """The L2 norm of weights, ‖g‖ / ‖w‖, and the update ratio lr · ‖g‖ / ‖w‖; None where one is not known."""

    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None

    @classmethod
    def of(cls, weight: float | None, ratio: float | None, lr: float | None) -> "Ratio":
        """Make the figures from a ratio and a learning rate."""
        return cls(weight, ratio, None if lr is None or ratio is None else lr * ratio)
