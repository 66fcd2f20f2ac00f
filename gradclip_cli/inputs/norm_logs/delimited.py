"""CSV and TSV with a row of names: the metrics of Lightning, the exports of W&B, and tables of anybody's own."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.names import EPOCHS, SCALES, STEPS, first_of, is_norm, number, tensor_in, whole
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series
from gradclip_cli.inputs.norm_logs.stream import HEAD, LogStream, as_text
from gradclip_cli.notes import Note

_DELIMITERS = (",", "\t", ";")
_LONGEST = 1 << 23
"""The most characters of a row: a table of 100,000 tensors has about a million."""

_LOOKED_AT = 3


class _Columns(NamedTuple):
    """Where the columns are that count, None where there is none, and the least width of a row that has them."""

    step: int | None
    epoch: int | None
    scale: int | None
    norms: list[tuple[int, Series]]
    width: int


def _delimiter(head: bytes) -> str | None:
    """Return what separates the columns of a table; None where the head is that of no table with a row of names."""
    lines = [
        line for line in head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines() if line.strip()
    ]
    cut = len(head) >= HEAD and not head.endswith(b"\n")
    if len(lines) > 1 and (cut or (len(lines) > 2 and not head.endswith(b"\n"))):  # the last line may not be complete
        del lines[-1]
    elif cut and lines:  # a table of many tensors: not even the row of names is complete
        lines[0] = lines[0].rpartition(",")[0] or lines[0].rpartition("\t")[0] or lines[0].rpartition(";")[0]
    for delimiter in _DELIMITERS:
        try:
            names, *rows = list(csv.reader(lines[: 1 + _LOOKED_AT], delimiter=delimiter))[: 1 + _LOOKED_AT]
        except (csv.Error, ValueError):
            continue
        if _are_names(names) and all(len(row) == len(names) for row in rows) and _fits(names, rows):
            return delimiter
    return None


def _are_names(names: Sequence[str]) -> bool:
    return all(name.strip() and number(name) is None and ": " not in name and "{" not in name for name in names)


def _fits(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows under names hold numbers, and each of them one at least; a single column holds nothing else."""
    found = [[number(value) is not None for value in row] for row in rows]
    if not found:
        return any(is_norm(name) or tensor_in(name) for name in names)
    if len(names) == 1:
        return " " not in names[0].strip() and all(map(all, found))
    return all(map(any, found))


def _matches(head: bytes) -> bool:
    return b"\0" not in head and _delimiter(head) is not None


def _read(stream: LogStream, into: Collector) -> None:
    """Read a table row by row; values that are no numbers, or not there, are passed over."""
    lines = _Lines(as_text(stream), stream.path)
    reader = csv.reader(iter(lines), delimiter=_delimiter(stream.head) or ",")
    try:
        ends_in_norm = _take(reader, into)
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: {error}", path=stream.path) from error
    if ends_in_norm and not lines.ended:
        what = "its last line has no end, as where a run is still writing, so the last norm may lack digits"
        into.notes.append(Note("still-written", f"{stream.path}: {what}", changes_figures=True))


def _take(reader: "Iterator[list[str]]", into: Collector) -> bool:
    """Add the norms of rows; return whether the last cell of the last row is one."""
    row = list[str]()
    step_at, epoch_at, scale_at, norms, width = _columns(next((row for row in reader if row), []), into)
    for row in reader:
        if row and row[0][:1].isalpha() and _are_names(row):  # another run that writes to the same file
            step_at, epoch_at, scale_at, norms, width = _columns(row, into)
            continue
        if len(row) < width:  # a run that was killed while it wrote
            continue
        step = epoch = scale = None
        for k, series in norms:
            text = row[k]
            if not text or (value := number(text)) is None:
                if text.strip():
                    series.miss(text)
                continue
            if step is None:
                step = NO_STEP if step_at is None else whole(row[step_at])
                epoch = (
                    number(row[epoch_at])
                    if epoch_at is not None and (step == NO_STEP or series.goes_back(step))
                    else None
                )
                scale = number(row[scale_at]) if scale_at is not None else None
            series.add(step, value, scale, epoch)
    return any(k == len(row) - 1 for k, _ in norms)


def _columns(names: Sequence[str], into: Collector) -> _Columns:
    norms = [(k, series) for k, name in enumerate(names) if (series := into.series(name.strip())) is not None]
    place = {name: k for k, name in reversed(list(enumerate(names)))}
    step, epoch, scale = (
        None if (name := first_of(names, wanted)) is None else place[name] for wanted in (STEPS, EPOCHS, SCALES)
    )
    last = max([k for k in (step, epoch, scale) if k is not None] + [k for k, _ in norms], default=-1)
    return _Columns(step, epoch, scale, norms, last + 1)


class _Lines:
    """The lines of a table; `ended` says whether the last one has an end."""

    def __init__(self, text: io.TextIOWrapper, path: str) -> None:
        self._text, self._path, self.ended = text, path, True

    def __iter__(self) -> Iterator[str]:
        """Yield lines; raise InputError at one that is too long to be a row."""
        while line := self._text.readline(_LONGEST):
            if len(line) == _LONGEST:
                what = f"has a line of more than {_LONGEST:,} characters, so it is no table of a run"
                raise InputError(what, path=self._path)
            self.ended = line[-1] in "\r\n"
            yield line


DELIMITED = LogLayout("csv", "CSV", _matches, _read, by_line=True)
