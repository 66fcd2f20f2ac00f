"""Draw the values of one tensor: a histogram of |g| with what narrower dtypes would lose, percentiles, and extremes."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.render.screens.folding import packed
from gradclip_cli.render.screens.line import Line, Span, aligned, bad, dim, line, strong, warn, width_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.reports.show import ShowBand, ShowBin, ShowPercentile, ShowPlace, ShowReport, ShowValues
from gradclip_cli.text import percent, plural, printable

_MOST = 15
"""The most rows of a histogram; each holds as many powers of two as that takes."""

_ROOMY = 76
"""The width from which on words and shares are written out."""

_OCTAVE = 8
"""The number of bins between two powers of two."""

_BAR = 40
"""The greatest length of a bar."""

_SHORT = {"float16": "f16", "bfloat16": "bf16", "float8_e4m3fn": "e4m3", "float8_e5m2": "e5m2"}
"""What dtypes are called above a column."""

_NARROW = (("0.1", "99.9"), ("5", "95"), ("25", "75"))
"""The percentiles that a narrow terminal leaves out, the first of them first."""

_MARKS = {"lost": "0", "subnormal": "s", "overflow": "!"}
"""What marks that most of a row is lost, subnormal or too large in a dtype."""


_MEANT = {"lost": "lost", "subnormal": "subnormal", "overflow": "too large"}
"""What the marks mean, in words."""


class _Row(NamedTuple):
    """A row of the histogram: the elements with low <= |g| < high."""

    low: float
    high: float
    number: int


def values_of(report: ShowReport, room: Room) -> Iterator[Line]:
    """Yield the values of one tensor."""
    values, total = report.values, report.total
    if values is None:
        return
    yield from _nonfinite(values, total.elements, room)
    finite = total.elements - total.nan - total.inf
    if not finite:
        return
    yield ()
    yield from _figures(report, values, finite, room)
    if report.bins:
        yield ()
        yield from _histogram(report, finite, room)
        yield ()
        yield from _percentiles(report.percentiles or [], room)


def described(report: ShowReport) -> Span:
    """Say the shape and the dtype of the tensor, and how many elements it has."""
    (param,) = report.params
    shape = "in pieces" if param.shape is None else " x ".join(map(str, param.shape)) or "scalar"
    return Span(f"{shape}, {param.dtype}, {plural(param.elements, 'value')}")


def share_of(part: int, whole: int, digits: int = 1) -> str:
    """Format a share of a number of values in per cent; none is 0."""
    return percent(part / whole, digits) if part else "0"


def _nonfinite(values: ShowValues, elements: int, room: Room) -> Iterator[Line]:
    kinds = (("NaN", values.nan, values.nan_at), ("Inf", values.posinf + values.neginf, values.inf_at))
    for word, number, place in kinds:
        if number:
            signs = f" ({values.posinf:,} +, {values.neginf:,} -)" if word == "Inf" and values.neginf else ""
            parts = [Span(f"{number:,} of {elements:,}{signs},"), Span(f"the first{_at(place)}")]
            yield from packed(parts, room, (Span(" "), bad(word), Span("  ")), join=" ")


def _at(place: ShowPlace | None) -> str:
    """Say where an element is; the only one of a scalar needs no index."""
    if place is None:
        return ""
    index = f" at {list(place.index)}" if place.index else ""
    return index + (f" in {printable(place.file)}" if place.file else "")


def _figures(report: ShowReport, values: ShowValues, finite: int, room: Room) -> Iterator[Line]:
    total = report.total
    parts = [Span(f"norm {figure(total.finite_norm)}"), Span(f"rms {figure(total.rms)}")]
    yield from packed([*parts, *([dim("without NaN and Inf")] if total.nan or total.inf else [])], room)
    if total.weight_norm is not None:
        beside = [("|w|", total.weight_norm), ("|g|/|w|", total.ratio)]
        beside += [("update", total.update_ratio)] if total.update_ratio is not None else []
        yield from packed([Span(f"{word} {figure(value)}") for word, value in beside], room)
    if values.max_at is not None and values.min_at is not None:
        top = f"max {figure(values.max_abs)}{_at(values.max_at)}"
        yield from packed([Span(top), Span(f"min above 0 {figure(values.min_abs)}{_at(values.min_at)}")], room)
    signs = [("zero", values.zeros)]
    if values.positive is not None and values.negative is not None:
        signs = [("positive", values.positive), ("negative", values.negative), *signs]
    signs += [(f"subnormal in {report.params[0].dtype}", values.subnormal)] if values.subnormal else []
    found = [f"{number:,} {word}" + (f" ({share_of(number, finite)})" if number else "") for word, number in signs]
    yield from packed(map(Span, found), room)


def _histogram(report: ShowReport, finite: int, room: Room) -> Iterator[Line]:
    """Yield the rows from large to small, each with what happens to most of it in narrower dtypes, and the shares of that.

    The shares are of all rows, however many of them the user wants to see.
    """
    rows, bands, zeros = _rows(report.bins or ()), report.bands or [], report.values.zeros if report.values else 0
    every = [*rows, *([_Row(0.0, 0.0, zeros)] if zeros else [])]
    kept = every[: room.most(len(every))]
    table: list[Sequence[str | Span]] = [("|g| from", "values", "share")]
    table += [(f"{row.low:.2g}", f"{row.number:,}", share_of(row.number, finite)) for row in kept]
    marks: list[Sequence[str | Span]] = [[dim(_SHORT.get(band.dtype, band.dtype)) for band in bands]]
    marks += [[_mark(row, band) if row.high else "" for band in bands] for row in kept]
    wide = room.width >= _ROOMY
    words = [f"{word if wide else word[:4]} ({mark})" for word, mark in _MARKS.items()]
    sums = [[_counted(getattr(band, word), finite, int(wide)) for band in bands] for word in _MARKS]
    free = room.width - width_of(table) - width_of([*marks, *sums]) - 4
    size = min(_BAR, max(free, *map(len, words)))
    most = max(row.number for row in rows)
    bars = ["", *(_bar(row.number / most, size, room) if row.high else "" for row in kept)]
    body = [[*left, Span(f"{bar:{size}}"), *right] for left, bar, right in zip(table, bars, marks, strict=True)]
    foot = [["", "", "", dim(f"{word:>{size}}"), *row] for word, row in zip(words, sums, strict=True)]
    told = [one for one, row in zip(foot, sums, strict=True) if any(str(cell) != "0" for cell in row)]
    if used := [f"{mark} {_MEANT[word]}" for word, mark in _MARKS.items() if _holds(marks[1:], mark)]:
        yield line(dim(f" most of a row is  {'   '.join(used)}"))
    lines = list(aligned([*body, *(told or foot[:1])], [True, True, True, False] + [True] * len(bands)))
    yield from lines[: len(body)]
    if left := len(every) - len(kept):
        yield line(f" {'' if room.whole else room.ellipsis + ' '}", dim(f"{left:,} more: leave out -n"))
    yield from lines[len(body) :]


def _holds(rows: Sequence[Sequence[str | Span]], mark: str) -> bool:
    return any(str(cell) == mark for row in rows for cell in row)


def _rows(bins: Sequence[ShowBin]) -> list[_Row]:
    """Put bins together by powers of two, or by so many of these that there are few rows; the largest first.

    Rows begin at powers of two of the elements as stored, 1 among them.
    """
    step = math.ceil((len(bins) / _OCTAVE + 1) / _MOST)
    power = _until_power(bins)
    octave = round(math.log2(bins[power].low)) if bins[power].low else 0
    first = power + _OCTAVE * (-octave % step)
    found, at = [], 0
    for end in [*range(first, len(bins), step * _OCTAVE), len(bins)]:
        if part := bins[at:end]:
            found.append(_Row(part[0].low, part[-1].high, sum(one.count for one in part)))
        at = end
    return found[::-1]


def _until_power(bins: Sequence[ShowBin]) -> int:
    """Return how many bins come before the first that begins at a power of two, of elements as stored."""
    widths = [one.high - one.low for one in bins[: _OCTAVE + 1]]
    return next((k for k in range(1, len(widths)) if widths[k] > widths[k - 1] * 1.5), 0)


def _mark(row: _Row, band: ShowBand) -> str | Span:
    """Mark what happens to the middle of a row."""
    middle = math.sqrt(row.low) * math.sqrt(row.high) if math.isfinite(row.high) else row.low
    if middle > band.largest:
        return bad("!")
    return warn("0") if middle <= band.lost_to else dim("s") if middle <= band.subnormal_to else ""


def _counted(number: int, finite: int, digits: int) -> str | Span:
    text = share_of(number, finite, digits) if digits else share_of(number, finite, 0).replace(" ", "")
    return warn(text) if number else text


def _bar(share: float, size: int, room: Room) -> str:
    """Return a bar; what is there at all has one."""
    if not share:
        return ""
    if not room.unicode:
        return "#" * max(1, round(share * size))
    eighths = max(1, round(share * size * 8))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _percentiles(rows: Sequence[ShowPercentile], room: Room) -> Iterator[Line]:
    width = max((one.high / one.low - 1 for one in rows if one.low > 0), default=0.0)
    how = f"to a bin: at most {100 * width:.1f} % below" if width > 0 else "exact"
    yield line(strong("percentiles of |g|"), dim(f", {how}"))
    columns = [(f"{one.percent:g}", figure(one.low) if one.low == one.high else f"{one.low:.3g}") for one in rows]
    for names in _NARROW:
        if width_of([[max(pair, key=len) + "  " for pair in columns]]) > room.width:
            columns = [pair for pair in columns if pair[0] not in names]
    table = [[f"{head} %" for head, _ in columns], [value for _, value in columns]]
    yield from aligned(table, [True] * len(columns))
