"""Say what logged norms are not: those of every step, or those before clipping."""

import math
from collections import Counter
from itertools import pairwise

from gradclip_cli.inputs.norm_logs.series import Series
from gradclip_cli.notes import Note
from gradclip_cli.text import percent, plural

_MOST_STEPS = 0.9
_AT_END, _LEAST = 0.1, 5
"""Norms end at a value if so large a share of them is that value, and so many."""

_CLOSE = 1e-5
_FEW_DIGITS = 2


def remarks(path: str, series: Series, every: int | None, skipped: int) -> list[Note]:
    """Return the notes on a series: gaps between its steps, norms that all end at one value, few digits, skipped iterations."""
    found = []
    gap = _gap(series) or every
    if gap is not None and gap > 1:
        what = f"the norm of every {_ordinal(gap)} step only: spikes between them are not in it"
        found.append(Note("every-nth", f"{path}: {what}"))
    if (end := _end(series)) is not None:
        what = f"norms end at {end[0]:g} exactly in {percent(end[1])} of the steps: logged after clipping?"
        found.append(Note("after-clipping", f"{path}: {what}", changes_figures=True))
    if series.digits is not None and series.digits <= _FEW_DIGITS:
        what = f"norms are logged with {plural(series.digits, 'digit')}, so no more digits of any figure are known"
        found.append(Note("few-digits", f"{path}: {what}"))
    if skipped:
        what = f"{plural(skipped, 'iteration')} between the logged steps {'was' if skipped == 1 else 'were'} skipped"
        found.append(Note("skipped", f"{path}: {what}, as not finite: no norm of them is logged", skipped))
    return found


def _gap(series: Series) -> int | None:
    """Return by how much most steps are apart; None where they differ, or are not known."""
    if not series.has_steps or len(series.steps) < 3:
        return None
    gaps = Counter(b - a for a, b in pairwise(series.steps))
    gap, times = gaps.most_common(1)[0]
    return gap if times >= _MOST_STEPS * (len(series.steps) - 1) else None


def _end(series: Series) -> tuple[float, float] | None:
    """Return the value that no norm exceeds and many equal, and how many do; None where there is none."""
    finite = sum(map(math.isfinite, series.values))
    top = max(filter(math.isfinite, series.values), default=0.0)
    least = top * (1 - _CLOSE)
    count = sum(1 for value in series.values if least <= value <= top)
    if top <= 0 or count < max(_LEAST, _AT_END * finite):
        return None
    return top, count / finite


def _ordinal(number: int) -> str:
    """Write a number as one of an order.

    >>> _ordinal(5), _ordinal(2), _ordinal(11), _ordinal(21), _ordinal(1000)
    ('5th', '2nd', '11th', '21st', '1,000th')
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
