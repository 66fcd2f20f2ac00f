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

UNDERFLOW_ADVICE = "scale the loss up, or keep gradients in a wider dtype"
OVERFLOW_ADVICE = "scale the loss down, clip, or keep gradients in a wider dtype"


def find_nonfinite(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with elements that are not finite; the first to go bad come first."""
    bad = places(figures.nonfinite > 0)
    first = [column for rows, column in bad if rows[0] == bad[0][0][0]]
    for rows, column in bad:
        message = f"{_counts(figures, rows[0], column)} of {figures.elements[rows[0], column]:,.0f} elements"
        advice = ""
        if column not in first[:1]:
            message += f"; {_gone_bad_before(figures, first, bad[0][0][0], column)}"
        else:
            message += f"; {'the first to go bad' if len(first) == 1 else f'one of {len(first)} that went bad first'}"
            advice = _advice(figures, rows[0], column)
        worst = max(rows, key=lambda row: figures.nonfinite[row, column])
        brief = f"{_counts(figures, worst, column)} of {figures.elements[worst, column]:,.0f}"
        value, most = (int(figures.nonfinite[row, column]) for row in (rows[0], worst))
        yield Problem(rows, value, 0, message, column, advice=advice, worst=most, brief=brief)


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
        low, high = f"are 0 or subnormal in {where}", f"overflow in {where}"
        yield from _above(figures, small, limits.underflow_share, low, UNDERFLOW_ADVICE)
        yield from _above(figures, large, limits.overflow_share, high, OVERFLOW_ADVICE)


def _above(figures: Figures, counts: Matrix, limit: float, what: str, advice: str) -> Iterator[Problem]:
    shares = np.divide(counts, figures.nonzero, out=np.zeros_like(counts), where=figures.nonzero > 0)
    for rows, column in places(shares > limit):
        share, worst = float(shares[rows[0], column]), float(shares[rows, column].max())
        message, brief = (f"{percent(one)} of the non-zero values {what}" for one in (share, worst))
        yield Problem(rows, share, limit, message, column, advice=advice, worst=worst, brief=brief)
