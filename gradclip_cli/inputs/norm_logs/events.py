"""The event files of TensorBoard: scalars as torch writes them, and tensors as TensorFlow 2 does.

Fields by number: Event: step 2, summary 5. Summary: value 1. Value: tag 1, simple_value 2, tensor 8.
TensorProto: dtype 1, shape 2, content 4, floats 5, doubles 6.
"""

import os
from struct import unpack_from

from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.protobuf import fields
from gradclip_cli.inputs.norm_logs.records import DamagedError, Records, begins_with_record
from gradclip_cli.inputs.norm_logs.series import Series
from gradclip_cli.inputs.norm_logs.stream import LogStream
from gradclip_cli.notes import Note

_FILE = ".tfevents."
_NUMBERS = {1: ("<f", 4), 2: ("<d", 8)}
"""How tensors of float32 and float64 hold a number."""

_FIRST = 500
"""Tags of so many events are looked at, whatever they are, to be named where none of them is a norm."""

_STEP_BITS = 1 << 63


def is_event_file(path: str) -> bool:
    """Whether a file is called as TensorBoard calls its files."""
    return _FILE in os.path.basename(path)


def _read(stream: LogStream, into: Collector) -> None:
    """Add the scalars of a file; of one that is damaged or still written to, what can be read, and a note."""
    wanted = into.options.column
    word = "norm" if wanted is None else wanted.lower()
    records, tags = Records(stream.blocks(), word.encode(), _FIRST), dict[bytes, Series | None]()
    broken = 0
    try:
        for data, start, stop in records:
            try:
                _take(data, start, stop, tags, into)
            except ValueError:
                broken += 1
    except DamagedError as error:
        what = f"{error}, and what follows is not read"
        into.notes.append(Note("damaged", f"{stream.path}: {what}", changes_figures=True))
    if broken:
        what = "holds events that are damaged and left out"
        into.notes.append(Note("damaged-events", f"{stream.path}: {what}", broken, changes_figures=True))
    if records.cut:
        what = "ends within an event, as where a run is still writing; what is complete is read"
        into.notes.append(Note("still-written", f"{stream.path}: {what}"))


def _take(data: bytes, start: int, stop: int, tags: dict[bytes, Series | None], into: Collector) -> None:
    """Add the scalars of one event; raise ValueError where it is damaged."""
    step, summaries = 0, list[tuple[int, int]]()
    for number, at, end in fields(data, start, stop):
        if number == 2 and end < 0:
            step = at if at < _STEP_BITS else -1
        elif number == 5 and end >= 0:
            summaries.append((at, end))
    for own, end_of_own in summaries:
        for number, at, end in fields(data, own, end_of_own):
            if number == 1 and end >= 0:
                _take_value(data, at, end, step, tags, into)


def _take_value(
    data: bytes, start: int, stop: int, step: int, tags: dict[bytes, Series | None], into: Collector
) -> None:
    tag, value, tensor = b"", None, None
    for number, at, end in fields(data, start, stop):
        if number == 1 and end >= 0:
            tag = data[at:end]
        elif number == 2 and end - at == 4:
            (value,) = unpack_from("<f", data, at)
        elif number == 8 and end >= 0:
            tensor = at, end
    if tag not in tags:
        tags[tag] = into.series(tag.decode("utf-8", "replace"))
    series = tags[tag]
    if series is None:
        return
    if value is None and tensor is not None:
        value = _scalar(data, *tensor)
    if value is not None:
        series.add(step, value)


def _scalar(data: bytes, start: int, stop: int) -> float | None:
    """Return the number that a tensor is; None where it has another dtype, or several elements."""
    dtype, content = 0, dict[int, tuple[int, int]]()
    for number, at, end in fields(data, start, stop):
        if number == 1 and end < 0:
            dtype = at
        elif end >= 0:
            content[number] = at, end
    if dtype not in _NUMBERS:
        return None
    code, width = _NUMBERS[dtype]
    at, end = content.get(4) or content.get(4 + dtype) or (0, 0)
    if end - at != width or not _is_scalar(data, *content.get(2, (0, 0))):
        return None
    return float(unpack_from(code, data, at)[0])


def _is_scalar(data: bytes, start: int, stop: int) -> bool:
    """Whether a shape has no dimension, or each of size 1."""
    for number, at, end in fields(data, start, stop):
        if (
            number == 2
            and end >= 0
            and any(one == 1 and size != 1 for one, size, last in fields(data, at, end) if last < 0)
        ):
            return False
    return True


EVENTS = LogLayout("tensorboard", "events of TensorBoard", begins_with_record, _read)
