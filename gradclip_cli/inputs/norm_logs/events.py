"""The event files of TensorBoard: scalars as torch writes them, and tensors as TensorFlow 2 does.

Fields by number: Event: step 2, summary 5. Summary: value 1. Value: tag 1, simple_value 2, tensor 8.
TensorProto: dtype 1, shape 2, content 4, floats 5, doubles 6.
"""

import os
from struct import unpack_from

import numpy as np

from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.event_runs import alike, decoded, shape_of
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.protobuf import fields
from gradclip_cli.inputs.norm_logs.records import DamagedError, Records, begins_with_record, stride
from gradclip_cli.inputs.norm_logs.series import Series
from gradclip_cli.inputs.norm_logs.stream import LogStream
from gradclip_cli.notes import Note

_FILE = ".tfevents."
_NUMBERS = {1: ("<f", 4), 2: ("<d", 8)}
"""How tensors of float32 and float64 hold a number."""

_FIRST = 500
"""Tags of so many events are looked at, whatever they are, to be named where none of them is a norm."""

_STEP_BITS = 1 << 63
_FEW = 8
"""Fewer events of a length are read one by one."""


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
        for data, start, stop, count in records:
            width, done = stride(start, stop), 0
            while done < count:
                at = start + done * width
                taken = _take_run(data, at, stop - start, count - done, tags) if count - done >= _FEW else 0
                if not taken:
                    broken += not _took(data, at, at + stop - start, tags, into)
                done += taken or 1
    except DamagedError as error:
        what = f"{error}, and what follows is not read"
        into.notes.append(Note("damaged", f"{stream.path}: {what}", changes_figures=True))
    if broken:
        what = "holds events that are damaged and left out"
        into.notes.append(Note("damaged-events", f"{stream.path}: {what}", broken, changes_figures=True))
    if records.cut:
        what = "ends within an event, as where a run is still writing; what is complete is read"
        into.notes.append(Note("still-written", f"{stream.path}: {what}"))


def _take_run(data: bytes, start: int, size: int, count: int, tags: dict[bytes, Series | None]) -> int:
    """Add the scalars of events of the same shape, and return of how many; 0 where the first is to be looked at alone."""
    try:
        shape = shape_of(data, start, start + size)
    except ValueError:
        return 0
    if shape is None or shape.tag not in tags:  # one event of each tag is read alone
        return 0
    if shape.tensor is not None and _scalar(data, *shape.tensor) is None:
        return 0
    width = stride(0, size)
    rows = np.frombuffer(data, np.uint8, (count - 1) * width + size, start)
    rows = np.lib.stride_tricks.as_strided(rows, (count, size), (width, 1), writeable=False)
    found = alike(rows, shape)
    series = tags[shape.tag]
    if series is not None:
        series.extend(*decoded(rows[:found], shape))
    return found


def _took(data: bytes, start: int, stop: int, tags: dict[bytes, Series | None], into: Collector) -> bool:
    """Add the scalars of one event; return whether it is sound."""
    try:
        _take(data, start, stop, tags, into)
    except ValueError:
        return False
    return True


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
