"""Find values outside the range of numbers, or of a narrow dtype: NaN, infinities, underflow and overflow."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, percent, places
from gradclip_cli.checks.limits import STORED, Limits
from gradclip_cli.text import printable
from gradclip_cli.thresholds.samples import Matrix

NONFINITE_ADVICE = "usually a division by 0, a log of 0, or an overflow after gradients have exploded"
FLOAT16_ADVICE = (
    "usually a loss scale too high for float16, where GradScaler skips the step and lowers the scale, "
    "or an overflow after gradients have exploded"
)


def find_nonfinite(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with elements that are not finite; the first to go bad come first."""
    bad = places(figures.nonfinite > 0)
    first = [column for rows, column in bad if rows[0] == bad[0][0][0]]
    for rows, column in bad:
        message = f"{_counts(figures, rows[0], column)} of {figures.elements[rows[0], column]:,.0f} elements"
        if column not in first[:1]:
            message += f"; {_gone_bad_before(figures, first, bad[0][0][0], column)}"
        elif len(first) == 1:
            message += f"; the first to go bad: {_advice(figures, rows[0], column)}"
        else:
            message += f"; one of {len(first)} that went bad first: {_advice(figures, rows[0], column)}"
        yield Problem(rows, int(figures.nonfinite[rows[0], column]), 0, message, column)


def _advice(figures: Figures, row: int, column: int) -> str:
    """Name the usual causes: with infinities in float16, a loss scale that is too high comes first."""
    infinite = figures.posinf[row, column] + figures.neginf[row, column]
    return FLOAT16_ADVICE if infinite and figures.tensors[column].dtype == "float16" else NONFINITE_ADVICE


def _counts(figures: Figures, row: int, column: int) -> str:
    kinds = ((figures.nan, "NaN"), (figures.posinf, "+Inf"), (figures.neginf, "-Inf"))
    return ", ".join(f"{kind[row, column]:,.0f} {word}" for kind, word in kinds if kind[row, column])


def _gone_bad_before(figures: Figures, first: list[int], start: int, column: int) -> str:
    """Name the tensor that went bad first, or say that this is one of the first."""
    if column in first:
        return f"one of {len(first)} that went bad first"
    more = f" and {len(first) - 1} more" if len(first) > 1 else ""
    return f"after {printable(figures.tensors[first[0]].name)}{more} at {figures.dumps[start]}"


def find_underflow(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with too many non-zero values that would be 0, subnormal or infinite in a dtype."""
    for dtype, small, large in zip(figures.dtypes, figures.small, figures.large, strict=True):
        where = "the dtype they are stored in" if dtype == STORED else dtype
        low = f"are 0 or subnormal in {where}: scale the loss up, or keep gradients in a wider dtype"
        high = f"overflow in {where}: scale the loss down, clip, or keep gradients in a wider dtype"
        yield from _above(figures, small, limits.underflow_share, low)
        yield from _above(figures, large, limits.overflow_share, high)


def _above(figures: Figures, counts: Matrix, limit: float, what: str) -> Iterator[Problem]:
    shares = np.divide(counts, figures.nonzero, out=np.zeros_like(counts), where=figures.nonzero > 0)
    for rows, column in places(shares > limit):
        share = float(shares[rows[0], column])
        yield Problem(rows, share, limit, f"{percent(share)} of the non-zero values {what}", column)
