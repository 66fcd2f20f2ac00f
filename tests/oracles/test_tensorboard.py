"""The reader of events against TensorBoard's own, on files that its writer and tensorboardX write.

Every step and every norm has to be the same, with all tags in one folder of several files.
"""

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("tensorboardX")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
from tensorboardX import SummaryWriter

from gradclip_cli.inputs.norm_logs.base import LogOptions
from gradclip_cli.inputs.norm_logs.reading import read_log

STEPS = 3000
TAGS = ("train/grad_norm", "train/loss", "lr")


def values(seed: int) -> list[float]:
    """Norms of many sizes, some not finite."""
    chance = random.Random(seed)
    some = [chance.lognormvariate(0, 8) for _ in range(STEPS)]
    for k in range(0, STEPS, 97):
        some[k] = chance.choice([math.nan, math.inf, 0.0, 1e-45])
    return some


def write_old(folder: Path) -> None:
    """Write scalars as TensorFlow 1 and torch do."""
    writer = EventFileWriter(str(folder))
    for tag in TAGS:
        for step, value in enumerate(values(len(tag))):
            writer.add_event(
                Event(step=step, wall_time=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))
            )
    writer.close()


def write_new(folder: Path) -> None:
    """Write scalars as TensorFlow 2 does: tensors with metadata."""
    writer = EventFileWriter(str(folder))
    for tag in TAGS:
        for step, value in enumerate(values(len(tag))):
            writer.add_event(Event(step=step * 7, wall_time=step, summary=scalar_pb(tag, value)))
    writer.close()


def write_x(folder: Path) -> None:
    """Write scalars and histograms by tensorboardX."""
    with SummaryWriter(str(folder)) as writer:
        for step, value in enumerate(values(5)):
            writer.add_scalar("train/grad_norm", value, step)
            writer.add_scalar("train/loss", 1.0, step)
            if step % 500 == 0:
                writer.add_histogram("weights", [1.0, 2.0, 3.0], step)


def official(folder: Path, tag: str) -> list[tuple[int, float]]:
    """What TensorBoard reads: everything, where it is told not to sample."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    if tag in found.Tags()["scalars"]:
        return [(one.step, one.value) for one in found.Scalars(tag)]
    return [(one.step, float(tensor_util.make_ndarray(one.tensor_proto))) for one in found.Tensors(tag)]


@pytest.mark.parametrize("write", [write_old, write_new, write_x])
def test_events(write: Callable[[Path], None], tmp_path: Path) -> None:
    """Steps and norms are those that TensorBoard reads, to the bit."""
    write(tmp_path)
    for tag in TAGS[:2]:
        log = read_log(str(tmp_path), LogOptions(tag))
        own = list(zip(log.steps or (), log.norms, strict=True))
        assert list(map(repr, own)) == list(map(repr, official(tmp_path, tag)))
