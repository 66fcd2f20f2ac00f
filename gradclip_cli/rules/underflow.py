"""Values that a narrow dtype cannot hold."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.rules.base import Found, percent, places
from gradclip_cli.rules.figures import Figures, Matrix
from gradclip_cli.rules.limits import STORED, Limits


def find(figures: Figures, limits: Limits) -> Iterator[Found]:
    """Find tensors of whose values that are not 0 too many would be 0, subnormal, or infinite."""
    for dtype, small, large in zip(figures.dtypes, figures.small, figures.large, strict=True):
        where = "the dtype they are stored in" if dtype == STORED else dtype
        low = f"are 0 or subnormal in {where}: scale the loss up, or keep gradients in a wider dtype"
        high = f"overflow in {where}: scale the loss down, clip, or keep gradients in a wider dtype"
        yield from _above(figures, small, limits.underflow_share, low)
        yield from _above(figures, large, limits.overflow_share, high)


def _above(figures: Figures, counts: Matrix, limit: float, what: str) -> Iterator[Found]:
    shares = np.divide(counts, figures.nonzero, out=np.zeros_like(counts), where=figures.nonzero > 0)
    for rows, column in places(shares > limit):
        share = float(shares[rows[0], column])
        yield Found(rows, share, limit, f"{percent(share)} of the non-zero values {what}", column)
