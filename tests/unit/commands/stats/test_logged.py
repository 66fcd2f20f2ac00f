"""Norms of logs become those of a series: joined by step, by tensors and layers, absent where nothing is logged."""

from pathlib import Path

import pytest
from support import log_samples as samples

from gradclip_cli.commands.stats.logged import Logged, collect_logs, read_logs
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.norm_logs.base import LogOptions, Logs
from gradclip_cli.strategies import Group


def plan(*files: tuple[Path, bytes], repeated: str | None = None, skip_steps: int = 0) -> StatsPlan:
    """A plan for logs that are written first."""
    for path, data in files:
        path.write_bytes(data)
    logs = Logs(tuple(str(path) for path, _ in files), LogOptions())
    return StatsPlan((), logs=logs, repeated=repeated, skip_steps=skip_steps)


def logged(plan: StatsPlan) -> Logged:
    """What the logs of a plan hold."""
    return collect_logs(read_logs(plan), plan)


def test_tensors_make_layers(tmp_path: Path) -> None:
    """The norm of a layer is the root of the squares of its tensors; what a step lacks is absent, not 0."""
    found = logged(plan((tmp_path / "a.csv", samples.LIGHTNING)))
    norms = found.collected.norms
    assert [str(group) for group in norms.params.groups] == ["fc.bias", "fc.weight"]
    assert norms.params.steps_of(1) == [0.8, 4.0, None]
    assert norms.layers.norms[:, 0].tolist() == pytest.approx([1.0, 5.0, 0.3])
    assert norms.total.norms[:, 0].tolist() == [1.0, 5.0, 0.5]
    assert [step.number for step in norms.steps] == [49, 99, 149]
    assert found.plan.groups == {Group.DUMP, Group.NONE, Group.LAYER}
    assert (found.column, found.kind) == ("grad_2.0_norm_total", "CSV")


def test_logs_are_joined(tmp_path: Path) -> None:
    """Steps of several logs stand in order, and one of which both have a norm counts once, that of the later file."""
    files = (
        (tmp_path / "b", b"step 2 grad_norm: 2.5\nstep 3 grad_norm: 3.5\n"),
        (tmp_path / "a", b"step 1 grad_norm: 1.5\nstep 2 grad_norm: 9.5\n"),
    )
    found = logged(plan(*files)).collected
    assert [step.number for step in found.norms.steps] == [1, 2, 3]
    assert found.norms.total.norms[:, 0].tolist() == [1.5, 2.5, 3.5]
    assert "repeated" in [note.kind for note in found.notes]
    with pytest.raises(UsageError, match="both begin at step 2"):
        logged(plan(files[0], (tmp_path / "c", files[0][1])))


def test_steps_without_a_number_are_named(tmp_path: Path) -> None:
    """Where no step is logged, a norm is called by its place and its epoch."""
    found = logged(plan((tmp_path / "a", samples.HF_OUT), skip_steps=1)).collected.norms
    assert [(step.number, step.name, step.nonfinite) for step in found.steps] == [
        (None, "norm 2 (epoch 0.5)", 0),
        (None, "norm 3 (epoch 1)", 1),
    ]
