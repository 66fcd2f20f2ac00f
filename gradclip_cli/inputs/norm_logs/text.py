"""Norms in lines of text: `name: number` and the step of the same line, as trainers print them.

Megatron, torchtitan, verl, fairseq, HF, nanoGPT and llm.c print such lines, among whatever else they print.
"""

import math
import re

from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.lines import Lines, Place
from gradclip_cli.inputs.norm_logs.names import is_plain, spelled
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series, same
from gradclip_cli.inputs.norm_logs.stream import LogStream
from gradclip_cli.notes import Note

# Patterns are matched with lines in lower case. None of them can go back: a part that repeats gives nothing up again.
_IS = rb"[\"' \t:=]++(?:tensor\(|np\.float\d\d\()?+"
_NUMBER = rb"([-+]?(?:\d++(?:\.\d*+)?+(?:e[-+]?\d++)?+|\.\d++(?:e[-+]?\d++)?+|nan|inf(?:inity)?+))(?!\.?\w|#| ?%|[,']\d| \d{3}\.\d)"
_PLAIN_VALUE = re.compile(
    rb"[\"' \t:=]++(\d++\.\d++)(?![\w.#]| ?%|[,']\d)"
)  # what nearly all lines hold: three times as fast
_VALUE = re.compile(_IS + _NUMBER)
_ODD = re.compile(
    rb"[\"' \t]*+[:=]++[\"' \t:=]*+(?:tensor\()?+([-+.]?\d[^\s|;{}()\[\]\"]{0,40}+(?: \d{3}\.\d++)?+|n(?:ull|one|/a)(?!\w))"
)
_REST = re.compile(rb"[_/](?:total|step|global)(?![a-z0-9_/])")
_WHOLE = re.compile(rb"[\"' \t:=]++(\d++(?:,\d{3})*+)(?!\.?\w|,\d)")
_STEP = re.compile(rb"(?<![\w./-])(global[_ ]step|num_updates|iteration|step|iter)" + _WHOLE.pattern)
_STEP_WORDS = b"step", b"iter", b"num_updates"
"""One of these stands in each name of a step."""
_LATER_STEP = re.compile(rb"(?<=/)(global[_ ]step|num_updates)" + _WHOLE.pattern)
_EPOCH = re.compile(rb"(?<!\w)epoch" + _IS + _NUMBER)
_SCALE = re.compile(rb"(?:loss|grad)[ _]scale" + _IS + _NUMBER)
_SKIPPED = re.compile(rb"number of skipped iterations: *+(\d++)")
_ANSI = re.compile(rb"\x1b\[[0-9;]*+[A-Za-z]")

_IN_NAMES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_/.-")
_NAME = bytes(byte if chr(byte).lower().encode("latin-1", "replace")[0] in _IN_NAMES else 32 for byte in range(256))
"""Turns everything but what names hold into spaces."""

_LONGEST_NAME = 100
_LONGEST_STEP = 18
_FEW = 1000
"""Digits of so many norms are counted."""

_UNKNOWN = -2
_IN_NUMBERS = b"0123456789.+-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class _TextLog:
    """The state of one reader: what the words before `norm` mean, and how the last line called its step."""

    def __init__(self, into: Collector) -> None:
        self._into = into
        self.word = (into.options.column or "norm").lower().encode()
        self._names: dict[tuple[bytes, bytes], tuple[Series | None, bool]] = {}
        self._step_name = b"step"
        self._block = b""
        self._coloured = self._scaled = self._skips = self._stepped = False  # whether the block has any such line
        self._last = b"\n"  # the name in the last line with what decides it before it, and its series
        self._last_series: tuple[Series | None, bool] = None, False

    def _look_at(self, data: bytes, folded: bytes) -> None:
        """Search a block at once for what would be searched in each of its lines: a fifth of the time."""
        self._block = folded
        self._coloured, self._scaled = b"\x1b" in data, b"scale" in folded
        self._skips = b"skipped iterations" in folded
        self._stepped = any(word in folded for word in _STEP_WORDS)

    def take(self, data: bytes, folded: bytes, start: int, stop: int) -> None:
        """Add the norms of a line."""
        if folded is not self._block:
            self._look_at(data, folded)
        if self._coloured and data.find(b"\x1b", start, stop) >= 0:
            data = _ANSI.sub(b"", data[start:stop])
            folded, start, stop = data.lower(), 0, len(data)
        word, step, scale = self.word, _UNKNOWN, None
        at = folded.find(word, start, stop)
        while at >= 0:
            end, match = _value(folded, at + len(word), stop)
            if match is not None:
                series, plain = self._named(data, start, at, end)
                if series is not None:
                    if step == _UNKNOWN:
                        step = self._step(folded, start, stop)
                        scale = _number(_SCALE, b"scale", folded, start, stop) if self._scaled else None
                    if step >= 0 or not plain:
                        self._add(series, step, match, scale, (data, folded, start, stop))
                end = match.end()
            at = folded.find(word, end, stop)
        # Megatron logs a loss scale in each line; nothing else skips.
        if self._skips and (step < 0 or scale is not None) and folded.find(b"skipped iterations", start, stop) >= 0:
            self._skip(folded, start, stop, without_norm=step < 0)

    def _add(self, series: Series, step: int, match: "re.Match[bytes]", scale: float | None, place: Place) -> None:
        """Add the number behind a name; what cannot be told is counted, and the states of a bar of progress count once."""
        data, folded, start, stop = place
        value = _told(match)
        if value is None:
            series.miss(match[1].decode("utf-8", "replace"))
            return
        epoch = None
        if step < 0 or series.goes_back(step):
            epoch = _number(_EPOCH, b"epoch", folded, start, stop)
            if step < 0 and data[stop : stop + 1] == b"\r" and series.values and same(series.values[-1], value):
                self._into.bars += 1
                return
        if len(series.values) < _FEW:
            series.digits = max(series.digits or 0, _digits(match[1]))
        series.add(step, value, scale, epoch)

    def _named(self, data: bytes, start: int, at: int, end: int) -> tuple[Series | None, bool]:
        """Return the series of a name, which is that of the last line mostly, and whether that is no more than `norm`."""
        first = end - len(self._last)
        if first >= start and data[first:end] == self._last:
            return self._last_series
        return self._series(data, start, at, end)

    def _series(self, data: bytes, start: int, at: int, end: int) -> tuple[Series | None, bool]:
        """Return the series of the name that ends at `end`, and whether that is no more than `norm`."""
        before = data[max(start, at - _LONGEST_NAME) : at]
        key = before.translate(_NAME).rpartition(b" ")[2], data[at:end]
        if not key[0] and before[-1:] == b" ":
            last = before[:-1].translate(_NAME).rpartition(b" ")[2]
            key = (last + b" " if last.lower() in (b"grad", b"gradient") else b""), key[1]
            decides = len(last) + 2
        else:
            decides = len(key[0]) + 1
        if key not in self._names:
            name = b"".join(key).decode("utf-8", "replace").lstrip("-.")
            self._names[key] = self._into.series(name), is_plain(name) and self._into.options.column is None
        if decides <= len(before):
            self._last, self._last_series = data[at - decides : end], self._names[key]
        return self._names[key]

    def _step(self, folded: bytes, start: int, stop: int) -> int:
        """Return the step of a line; NO_STEP where it has none. The name in the last line is looked for first."""
        if not self._stepped:
            return NO_STEP
        at = folded.find(self._step_name, start, stop)
        if at >= 0 and (at == start or folded[at - 1] not in _IN_NAMES):
            match = _WHOLE.match(folded, at + len(self._step_name), stop)
            if match is not None and len(match[1]) <= _LONGEST_STEP:
                return int(match[1].replace(b",", b""))
        match = _STEP.search(folded, start, stop) or _LATER_STEP.search(folded, start, stop)
        if match is None or len(match[2]) > _LONGEST_STEP:
            return NO_STEP
        self._step_name = match[1]
        return int(match[2].replace(b",", b""))

    def _skip(self, folded: bytes, start: int, stop: int, *, without_norm: bool) -> None:
        """Take what Megatron says of skipped iterations: where it logs no norm, one of them is a norm that is not finite."""
        match = _SKIPPED.search(folded, start, stop)
        count = int(match[1][:_LONGEST_STEP]) if match is not None else 0
        if count and without_norm and self._into.options.column is None:
            step, series = self._step(folded, start, stop), self._into.series("grad norm")
            if step >= 0 and series is not None:
                series.add(step, math.nan)
                count -= 1
        self._into.skipped += count


def _value(folded: bytes, end: int, stop: int) -> tuple[int, "re.Match[bytes] | None"]:
    """Return where a name ends of which `end` may be only a part, and its value."""
    match = _PLAIN_VALUE.match(folded, end, stop)
    if match is None:
        rest = _REST.match(folded, end, stop)
        end = rest.end() if rest is not None else end
        match = _VALUE.match(folded, end, stop) or _ODD.match(folded, end, stop)
    return end, match


def _told(match: "re.Match[bytes]") -> float | None:
    """Return the number that was found; None for what is not written as a number is, or may be one or another."""
    if match.re is not _ODD:
        return float(match[1])
    return spelled(match[1].decode("utf-8", "replace").rstrip("',."))


def _number(pattern: "re.Pattern[bytes]", word: bytes, folded: bytes, start: int, stop: int) -> float | None:
    """Return the number behind a name that holds a word, which is looked for first."""
    at = folded.find(word, start, stop)
    match = pattern.search(folded, max(start, at - 8), stop) if at >= 0 else None
    return None if match is None else float(match[1])


def _digits(value: bytes) -> int:
    """Count the digits of a number that mean something.

    >>> _digits(b"0.80"), _digits(b"122716.232"), _digits(b"1e-05")
    (2, 9, 1)
    """
    return len(value.partition(b"e")[0].lstrip(b"+-0.").replace(b".", b""))


def _ends_in_number(place: Place) -> bool:
    data, _, _, stop = place
    return stop == len(data) and (data[-1:].isalnum() or data[-1:] == b".")


def _without_number(place: Place) -> Place:
    """Leave out the last word of a line."""
    data, folded, start, stop = place
    kept = len(data[start:stop].rstrip(_IN_NUMBERS))
    return data[: start + kept], folded[: start + kept], start, start + kept


def _matches(head: bytes) -> bool:
    """Whether a log is text: no zero bytes, which only other files hold."""
    return b"\0" not in head


def _read(stream: LogStream, into: Collector) -> None:
    text = _TextLog(into)
    words = [text.word] if into.options.column is not None else [b"norm", b"skipped iterations"]
    lines = Lines(stream.blocks(), words)
    for place in lines.places():
        if lines.is_last and _ends_in_number(place):
            what = "ends within a line, as where a run is still writing; a number at its end is not read"
            into.notes.append(Note("still-written", f"{stream.path}: {what}"))
            place = _without_number(place)  # noqa: PLW2901
        text.take(*place)
    into.lines = (into.lines or 0) + lines.count


TEXT = LogLayout("text", "text", _matches, _read, by_line=True)
