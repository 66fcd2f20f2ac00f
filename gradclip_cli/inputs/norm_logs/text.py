"""Norms in lines of text: `name: number` and the step of the same line, as trainers print them.

Megatron, torchtitan, verl, fairseq, HF, nanoGPT and llm.c print such lines, among whatever else they print.
"""

import math
import re

from gradclip_cli.inputs.norm_logs.base import LogLayout
from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.lines import Lines
from gradclip_cli.inputs.norm_logs.names import is_plain
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series
from gradclip_cli.inputs.norm_logs.stream import LogStream

_NUMBER = rb"[-+]?(?:\d++(?:\.\d*+)?+(?:e[-+]?\d++)?+|\.\d++(?:e[-+]?\d++)?+|nan|inf(?:inity)?+)"
_IS = rb"[\"']?[ \t]*+[:=]?[ \t]*+[\"']?(?:tensor\()?"
_VALUE = re.compile(
    rb"(?i)(?P<rest>(?:[_/](?:total|step|global))?+)(?=[ \t:=\"'])" + _IS + rb"(?P<value>" + _NUMBER + rb")(?!\.?\w)"
)
_STEP_NAMES = (b"global_step", b"num_updates", b"iteration", b"step", b"iter")
_STEP = re.compile(
    rb"(?i)(?<![\w.-])(?<!/)(?P<name>global[_ ]step|num_updates|iteration|step|iter)(?![a-z_])"
    + _IS
    + rb"(?P<step>\d++)(?!\.?\w)"
)
_LATER_STEP = re.compile(rb"(?i)(?<=/)(?P<name>global[_ ]step|num_updates)" + _IS + rb"(?P<step>\d++)(?!\.?\w)")
_EPOCH = re.compile(rb"(?i)(?<![\w])epoch" + _IS + rb"(?P<value>\d++(?:\.\d*+)?+(?:e[-+]?\d++)?+)(?!\.?\w)")
_SCALE = re.compile(rb"(?i)(?:loss|grad)[ _]scale" + _IS + rb"(?P<value>" + _NUMBER + rb")(?!\.?\w)")
_SKIPPED = re.compile(rb"(?i)number of skipped iterations: *+(?P<count>\d++)")
_ANSI = re.compile(rb"\x1b\[[0-9;]*+[A-Za-z]")

_NAME = bytes(byte if (byte < 128 and chr(byte).isalnum()) or byte in b"_/.-" else 32 for byte in range(256))
"""Turns everything but what names hold into spaces."""

_LONGEST_NAME = 200
_FEW = 1000
"""Digits of so many norms are counted."""


class _TextLog:
    """The state of one reader: what the words before `norm` mean, and how the last line called its step."""

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._word = (into.options.column or "norm").lower().encode()
        self._names: dict[tuple[bytes, bytes], tuple[Series | None, bool]] = {}
        self._step_name = b"step"

    def take(self, line: bytes) -> None:
        """Add the norms of a line."""
        if b"\x1b" in line:
            line = _ANSI.sub(b"", line)
        folded = line.lower()
        at, word, found, step = folded.find(self._word), self._word, False, -2
        while at >= 0:
            end = at + len(word)
            match = _VALUE.match(folded, end)
            if match is not None:
                series, plain = self._series(line, at, end, match["rest"])
                if series is not None:
                    step = self._step(folded) if step == -2 else step
                    if step >= 0 or not plain:
                        self._add(series, step, match["value"], folded)
                        found = True
                end = match.end()
            at = folded.find(word, end)
        if b"skipped iterations" in folded:
            self._skipped(folded, found)

    def _series(self, line: bytes, at: int, end: int, rest: bytes) -> tuple[Series | None, bool]:
        """Return the series of the name that ends at `end`, and whether that is no more than `norm`."""
        before = line[max(0, at - _LONGEST_NAME) : at]
        key = before.translate(_NAME).rpartition(b" ")[2], line[at:end] + rest
        if (
            not key[0]
            and before[-1:] == b" "
            and (last := before.rstrip()[-8:].lower()).endswith((b"grad", b"gradient"))
        ):
            key = (b"gradient " if last == b"gradient" else b"grad "), key[1]
        try:
            return self._names[key]
        except KeyError:
            name = b"".join(key).decode("utf-8", "replace").lstrip("-.")
            found = self._names[key] = self._into.series(name), is_plain(name) and self._into.options.column is None
            return found

    def _add(self, series: Series, step: int, value: bytes, line: bytes) -> None:
        epoch = scale = None
        if step == NO_STEP and (match := _EPOCH.search(line)):
            epoch = float(match["value"])
        if b"scale" in line and (match := _SCALE.search(line)):
            scale = float(match["value"])
        if len(series.values) < _FEW:
            series.digits = max(series.digits or 0, _digits(value))
        series.add(step, float(value), scale, epoch)

    def _step(self, line: bytes) -> int:
        """Return the step of a line; NO_STEP where it has none."""
        at = line.find(self._step_name)
        match = _STEP.match(line, at) if at >= 0 else None
        if match is None:
            match = _STEP.search(line) or _LATER_STEP.search(line)
            if match is None:
                return NO_STEP
            self._step_name = match["name"]
        digits = match["step"]
        return int(digits) if len(digits) < 19 else NO_STEP

    def _skipped(self, line: bytes, found: bool) -> None:
        """Take what Megatron says of skipped iterations: where it logs no norm, that is one that is not finite."""
        match = _SKIPPED.search(line)
        count = min(int(match["count"][:18]), 1 << 40) if match else 0
        if not count:
            return
        step = self._step(line)
        if not found and step >= 0 and self._into.options.column is None:
            series = self._into.series("grad norm")
            if series is not None:
                series.add(step, math.nan)
                count -= 1
        self._into.skipped += count


def _digits(value: bytes) -> int:
    """Count the digits of a number that mean something.

    >>> _digits(b"0.80"), _digits(b"122716.232"), _digits(b"1e-05")
    (2, 9, 1)
    """
    return len(value.partition(b"e")[0].lstrip(b"+-0.").replace(b".", b""))


def _matches(head: bytes) -> bool:
    """Whether a log is text: no zero bytes, and nothing that only binary files hold."""
    return b"\0" not in head


def _read(stream: LogStream, into: Collector) -> None:
    text = _TextLog(into)
    words = [text._word] if into.options.column is not None else [b"norm", b"skipped iterations"]  # noqa: SLF001
    lines = Lines(stream.blocks(), words)
    for line in lines:
        text.take(line)
    into.lines = (into.lines or 0) + lines.count


TEXT = LogLayout("text", "text", _matches, _read)
