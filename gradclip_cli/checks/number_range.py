"""Find values outside the range of numbers, or of a narrow dtype: NaN, infinities, underflow and overflow."""

from collections.abc import Iterator
from os.path import basename

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, percent, places
from gradclip_cli.checks.forward_order import forward_key, last_of
from gradclip_cli.checks.limits import STORED, Limits
from gradclip_cli.numerics.first_nonfinite import Nonfinite
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
    """Find tensors with elements that are not finite, and where they come from.

    Gradients flow from the last layer to the first, so of the tensors that go bad first the last in layer order stands first.
    """
    bad = {column: rows for rows, column in places(figures.nonfinite > 0)}
    if not bad:
        return
    start = min(rows[0] for rows in bad.values())
    first = [column for column, rows in bad.items() if rows[0] == start]
    names = {figures.tensors[column].name: column for column in first}
    last = last_of(list(names))
    origin = names[last.name]
    message = _origin(figures, start, first, origin, settled=last.settled)
    found = _problem(figures, bad[origin], origin, message)._replace(advice=_advice(figures, start, origin))
    yield found._replace(cause=f"{figures.dumps[start]}: {message}" if len(first) > 1 else "")
    for column, rows in bad.items():
        if column != origin:
            since = "in the same dump as" if rows[0] == start else f"after {figures.dumps[start]}, where they began in"
            message = f"{_counted(figures, rows[0], column)}; {since} {printable(last.name)}"
            yield _problem(figures, rows, column, message)


def _problem(figures: Figures, rows: list[int], column: int, message: str) -> Problem:
    first = figures.firsts.get((rows[0], column))
    worst = max(rows, key=lambda row: figures.nonfinite[row, column])
    count, most = (int(figures.nonfinite[row, column]) for row in (rows[0], worst))
    place = first.place if first is not None else None
    found = Problem(
        rows, count, 0, f"{message}{_others(figures, rows, rows[0], column)}", column, place=place, worst=most
    )
    brief = f"{_counted(figures, worst, column)}{_others(figures, rows, worst, column)}"
    return found._replace(brief=brief.replace(" elements", ""))


def _others(figures: Figures, rows: list[int], told: int, column: int) -> str:
    """Name the kinds that the elements of a tensor are in other dumps than the one that is told, and not in that one."""
    here = _kinds(figures, [told], [column]).split(" and ")
    other = [kind for kind in _kinds(figures, rows, [column]).split(" and ") if kind not in here]
    return f"; {other[0]} in other {figures.noun}s" if other else ""


def _origin(figures: Figures, row: int, bad: list[int], column: int, *, settled: bool) -> str:
    """Say in which tensors elements are not finite first, and which of these is the last in layer order."""
    if len(bad) == 1:
        return f"{_counted(figures, row, column)}; the first to go bad"
    there, name = int((figures.elements[row] > 0).sum()), printable(figures.tensors[column].name)
    which = f"all {there:,}" if len(bad) == there else f"{len(bad):,} of {there:,}"
    reach = (
        f", all up to {printable(figures.tensors[column].block)}" if _reaches_back(figures, row, bad, column) else ""
    )
    guess = "" if settled else " (by the alphabet, since these names tell no order)"
    where = f"{name} is the last of them{guess}, {_counted(figures, row, column, short=True)}"
    return f"{_kinds(figures, [row], bad)} in {which} tensors{reach}; {where}"


def _reaches_back(figures: Figures, row: int, bad: list[int], column: int) -> bool:
    """Whether all tensors of the blocks before that of a tensor are bad, and not all of the dump is."""
    there, taken = np.flatnonzero(figures.elements[row] > 0).tolist(), set(bad)
    end, block = forward_key(figures.tensors[column].name), figures.tensors[column].block
    rest = [figures.tensors[k] for k in there if k not in taken]
    return bool(rest) and all(one.block == block or forward_key(one.name) > end for one in rest)


def _kinds(figures: Figures, rows: list[int], columns: list[int]) -> str:
    """Name what the elements of some tensors are in some dumps.

    >>> _kinds(Figures([], [], [], *[np.ones((1, 1))] * 11), [0], [0])
    'NaN and Inf'
    """
    at = np.ix_(rows, columns)
    kinds = (figures.nan[at], "NaN"), (figures.posinf[at] + figures.neginf[at], "Inf")
    return " and ".join(word for counts, word in kinds if counts.any())


def _advice(figures: Figures, row: int, column: int) -> str:
    """Name the usual causes: with infinities in float16, a loss scale that is too high comes first."""
    infinite = figures.posinf[row, column] + figures.neginf[row, column]
    return FLOAT16_ADVICE if infinite and figures.tensors[column].dtype == "float16" else NONFINITE_ADVICE


def _counted(figures: Figures, row: int, column: int, *, short: bool = False) -> str:
    """Count the elements of a tensor that are not finite, and say where the first is; leave out their kind where it is said."""
    kinds = ((figures.nan, "NaN"), (figures.posinf, "+Inf"), (figures.neginf, "-Inf"))
    found = [f"{kind[row, column]:,.0f} {word}" for kind, word in kinds if kind[row, column]]
    counts = found[0].split()[0] if short and len(found) == 1 else ", ".join(found)
    elements = "" if short else " elements"
    return f"{counts} of {figures.elements[row, column]:,.0f}{elements}{_where(figures.firsts.get((row, column)))}"


def _where(first: Nonfinite | None) -> str:
    """Say where the first element of a tensor is that is not finite, as the end of a sentence; empty without axes."""
    if first is None or not first.place:
        return ""
    place = f"{', the first at' if first.total > 1 else ', at'} {list(first.place)}"
    return place if first.file is None else f"{place} of its piece in {printable(basename(first.file))}"


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
