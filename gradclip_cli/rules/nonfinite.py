"""NaN and infinities, and which tensor was the first to go bad."""

from collections.abc import Iterator

from gradclip_cli.rules.base import Found, places
from gradclip_cli.rules.figures import Figures
from gradclip_cli.rules.limits import Limits
from gradclip_cli.text import printable

MEANING = "usually a division by 0, a log of 0, or an overflow after gradients have exploded"


def find(figures: Figures, limits: Limits) -> Iterator[Found]:
    """Find tensors with any element that is not finite, the first to go bad first."""
    bad = places(figures.nonfinite > 0)
    first = [column for rows, column in bad if rows[0] == bad[0][0][0]]
    for rows, column in bad:
        message = f"{_counts(figures, rows[0], column)} of {figures.elements[rows[0], column]:,.0f} elements"
        if column not in first[:1]:
            message += f"; {_beside(figures, first, bad[0][0][0], column)}"
        elif len(first) == 1:
            message += f"; the first to go bad: {MEANING}"
        else:
            message += f"; one of {len(first)} that went bad first: {MEANING}"
        yield Found(rows, int(figures.nonfinite[rows[0], column]), 0, message, column)


def _counts(figures: Figures, row: int, column: int) -> str:
    kinds = ((figures.nan, "NaN"), (figures.posinf, "+Inf"), (figures.neginf, "-Inf"))
    return ", ".join(f"{kind[row, column]:,.0f} {word}" for kind, word in kinds if kind[row, column])


def _beside(figures: Figures, first: list[int], start: int, column: int) -> str:
    """Say what went bad before, or that nothing did."""
    if column in first:
        return f"one of {len(first)} that went bad first"
    more = f" and {len(first) - 1} more" if len(first) > 1 else ""
    return f"after {printable(figures.tensors[first[0]].name)}{more} at {figures.dumps[start]}"
