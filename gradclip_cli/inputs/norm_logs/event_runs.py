"""Read runs of events that differ only in time, step and value: as arrays, 20 times as fast as one by one.

A file that holds one tag, or whose tags are logged one after the other, is made of such runs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.inputs.norm_logs.protobuf import BYTES, FIXED_32, FIXED_64, VARINT, spans

Span = tuple[int, int]
Bytes = NDArray[np.uint8]

_WIDTHS = {4: "<f4", 8: "<f8"}
_LONGEST = 9
"""Bytes of a step below 2^63; a longer one is negative."""


class EventShape(NamedTuple):
    """Where an event has its time, its step and the number of its only value, and the tag of that.

    `tensor` is where in the file the tensor is that holds the number, if it is one.
    """

    time: Span
    step: Span
    value: Span
    tag: bytes
    tensor: Span | None


def shape_of(data: bytes, start: int, stop: int) -> EventShape | None:
    """Return the shape of an event, with places from its start; None if it has not a step and one scalar. May raise ValueError."""
    event = _only(data, start, stop, {1: FIXED_64, 2: VARINT, 5: BYTES})
    if event is None:
        return None
    summary = _only(data, *event[5], {1: BYTES})
    if summary is None:
        return None
    value = {number: (kind, at, end) for number, kind, at, end in spans(data, *summary[1])}
    scalar = _simple(value) or _in_tensor(data, value)
    if scalar is None or 1 not in value or event[2][1] - event[2][0] > _LONGEST:
        return None
    time, step, number = ((at - start, end - start) for at, end in (event[1], event[2], scalar))
    tensor = value[8][1:] if 8 in value else None
    return EventShape(time, step, number, data[value[1][1] : value[1][2]], tensor)


def _only(data: bytes, start: int, stop: int, wanted: dict[int, int]) -> dict[int, Span] | None:
    """Return the spans of fields, if a message has each of these once and nothing else."""
    found = list(spans(data, start, stop))
    if sorted((number, kind) for number, kind, *_ in found) != sorted(wanted.items()):
        return None
    return {number: (at, end) for number, _, at, end in found}


def _simple(value: dict[int, tuple[int, int, int]]) -> Span | None:
    if 2 not in value or 8 in value or value[2][0] != FIXED_32:
        return None
    return value[2][1:]


def _in_tensor(data: bytes, value: dict[int, tuple[int, int, int]]) -> Span | None:
    """Return where the content of a tensor of float32 or float64 is; the caller knows that it is a scalar."""
    if 8 not in value or 2 in value or value[8][0] != BYTES:
        return None
    tensor = list(spans(data, *value[8][1:]))
    content = [(at, end) for number, kind, at, end in tensor if number in (4, 5, 6) and kind == BYTES]
    return content[0] if len(content) == 1 and content[0][1] - content[0][0] in _WIDTHS else None


def alike(rows: Bytes, shape: EventShape) -> int:
    """Return how many of the first events (rows) are the first one but for time, step and value."""
    fixed = np.ones(rows.shape[1], np.bool_)
    for at, end in (shape.time, shape.step, shape.value):
        fixed[at:end] = False
    same = (rows[:, fixed] == rows[0, fixed]).all(axis=1)
    step = rows[:, slice(*shape.step)]
    same &= (step[:, -1] < 128) & (step[:, :-1] >= 128).all(axis=1)
    return len(rows) if same.all() else int(same.argmin())


def decoded(rows: Bytes, shape: EventShape) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the steps and the values of events of one shape."""
    bits = (rows[:, slice(*shape.step)] & 127).astype(np.int64)
    steps = (bits << (7 * np.arange(bits.shape[1]))).sum(axis=1)
    at, end = shape.value
    values = np.ascontiguousarray(rows[:, at:end]).view(_WIDTHS[end - at])[:, 0]
    with np.errstate(invalid="ignore"):  # a NaN that signals
        return steps, values.astype(np.float64)
