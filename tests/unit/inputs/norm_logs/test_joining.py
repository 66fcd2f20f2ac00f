"""Several logs become one series: in the order of steps, each step once, with the tensors that any of them holds."""

import math
from pathlib import Path

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.norm_logs.base import LogOptions
from gradclip_cli.inputs.norm_logs.joining import join_logs
from gradclip_cli.inputs.wanted_steps import parse_steps


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    """The logs of a run in two parts, of which the second has the norm of a tensor, too, but not at each step."""
    (tmp_path / "b.csv").write_text("step,grad_norm,grad_2.0_norm/w\n3,3.5,3.0\n4,4.5,\n")
    (tmp_path / "a.log").write_text("step 1 grad_norm: 1.5\nstep 2 grad_norm: nan\nstep 3 grad_norm: 9.5\n")
    return [str(tmp_path / "b.csv"), str(tmp_path / "a.log")]


def test_order_and_steps(logs: list[str]) -> None:
    """Rows stand in the order of steps, and of a step in two logs the last by name counts, with a note."""
    found = join_logs(logs, LogOptions(repeated="last"))
    assert found.steps == [1, 2, 3, 4]
    assert str(found.norms.tolist()) == "[1.5, nan, 3.5, 4.5]"
    assert [Path(path).name for path in found.paths] == ["a.log", "a.log", "b.csv", "b.csv"]
    assert any("came twice" in note.text for note in found.notes)
    assert (found.column, found.kind) == ("grad_norm", "CSV, text")


def test_tensors(logs: list[str]) -> None:
    """A tensor is absent where its log has none, and in a log that does not hold it."""
    found = join_logs(logs, LogOptions(repeated="last"))
    assert found.tensors == ["w"]
    norms, absent = found.of_tensors(["w"])
    assert norms[:, 0].tolist() == [0, 0, 3.0, 0]
    assert absent[:, 0].tolist() == [True, True, False, True]


def test_wanted_steps(logs: list[str]) -> None:
    """Only the steps that are wanted are taken; none of them is wrong usage."""
    assert join_logs(logs, LogOptions(repeated="last"), parse_steps("2:3")).steps == [2, 3]
    with pytest.raises(UsageError, match=r"--steps 7 takes nothing of .*b\.csv; steps are 1-4"):
        join_logs(logs, LogOptions(repeated="last"), parse_steps(7))


def test_without_steps(tmp_path: Path) -> None:
    """A norm without a step is called by its place, and by its epoch where that is logged."""
    path = tmp_path / "a.log"
    path.write_text("{'grad_norm': 1.5, 'epoch': 0.5}\n{'grad_norm': 2.5}\n")
    found = join_logs([str(path)], LogOptions())
    assert found.steps == [None, None]
    assert found.names == ["norm 1 (epoch 0.5)", "norm 2"]
    assert math.isclose(found.norms[1], 2.5)
