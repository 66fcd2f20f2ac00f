"""Events in runs are read as arrays: the same steps and values as one by one, whatever stands between them."""

import math
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from support.log_samples import double, event, events, field, simple, tensor

from gradclip_cli.inputs.norm_logs.event_runs import alike, decoded, shape_of
from gradclip_cli.inputs.norm_logs.reading import read_log

VALUES = [0.5, 1.25, math.inf, 0.0, 2.0**-149, 1.5]


def read(rows: list[bytes], folder: Path) -> tuple[list[int], list[float]]:
    """Read events as a file."""
    path = folder / "events.out.tfevents.1"
    path.write_bytes(events(*rows))
    log = read_log(str(path))
    assert log.steps is not None
    return log.steps.tolist(), log.norms.tolist()


@pytest.mark.parametrize("make", [simple, tensor, double])
def test_runs_of_each_kind(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Steps of one byte to five and values of each kind come out as they were written."""
    steps = [*range(700, 900), *range(127, 130), *range(16_300, 16_500), *range(2**31, 2**31 + 400), 2**62]
    rows = [event(step, make("grad_norm", VALUES[k % len(VALUES)])) for k, step in enumerate(steps, 700)]
    filler = [event(k, make("grad_norm", 1.0)) for k in range(600)]  # the first 500 events are read one by one
    found = read([*filler, *rows], tmp_path)
    want = dict.fromkeys(range(600), 1.0) | {step: VALUES[k % len(VALUES)] for k, step in enumerate(steps, 700)}
    assert found == (sorted(want), [want[step] for step in sorted(want)])


def test_what_stands_between(tmp_path: Path) -> None:
    """Other tags of the same length, integers, histograms and steps that stand there twice never become norms."""
    integer = field(1, b"grad_norm") + field(8, field(1, 3) + field(4, struct.pack("<i", 7)))
    chance, rows, want = random.Random(4), [], {}
    for step in range(1000, 9000):
        kind = chance.random()
        if kind < 0.02:
            rows.append(event(step, simple("grad_nork", 9.0)))
        elif kind < 0.03:
            rows.append(event(step, integer))
        elif kind < 0.04:
            rows += [event(step, simple("grad_norm", 3.0))] * 2
            want[step] = 3.0
        elif kind < 0.05:
            rows.append(event(step, simple("grad_norm", 3.0), simple("loss", 1.0)))
            want[step] = 3.0
        else:
            rows.append(event(step, simple("grad_norm", step + 0.5)))
            want[step] = step + 0.5
    assert read(rows, tmp_path) == (list(want), list(want.values()))


def test_integers_alone(tmp_path: Path) -> None:
    """A tag whose tensors are integers after some that are not stays without these."""
    integer = field(1, b"grad_norm") + field(8, field(1, 3) + field(4, struct.pack("<i", 7)))
    rows = [event(1, simple("grad_norm", 1.5)), *(event(step, integer) for step in range(2, 2000))]
    assert read(rows, tmp_path) == ([1], [1.5])


def test_shapes() -> None:
    """Only an event with a time, a step and one scalar has a shape; the bytes of its step decide where it ends."""
    data = event(300, simple("grad_norm", 2.5))
    shape = shape_of(data, 0, len(data))
    assert shape is not None
    assert (shape.tag, shape.tensor, shape.step[1] - shape.step[0]) == (b"grad_norm", None, 2)
    rows = np.frombuffer(data * 3, np.uint8).reshape(3, -1).copy()
    rows[1, slice(*shape.step)] = 0x81, 0x01
    assert alike(rows, shape) == 3
    assert [part.tolist() for part in decoded(rows, shape)] == [[300, 129, 300], [2.5, 2.5, 2.5]]
    rows[2, slice(*shape.step)] = 0x01, 0x81
    assert alike(rows, shape) == 2
    for other in (event(3, simple("a", 1.0), simple("b", 1.0)), field(5, b""), b"", event(3)):
        assert shape_of(other, 0, len(other)) is None
