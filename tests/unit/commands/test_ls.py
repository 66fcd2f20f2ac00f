"""Tensors are listed from headers, by layer, whether they count or not."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.official import savez

import gradclip_cli
from gradclip_cli.commands.ls import ls
from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.reports.listing import LsReport


def listed(*paths: Path, selection: Selection | None = None) -> LsReport:
    """List the tensors of files."""
    selection = selection or Selection()
    with Threads(1) as workers:
        return ls(LsPlan(tuple(single(str(path)) for path in paths), selection), Run(selection, workers))


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Write layers of two digits, and a counter."""
    path = tmp_path / "a.safetensors"
    save_file({"l10.w": np.ones((2, 3), np.float32), "l9.w": np.ones(4), "ids": np.arange(2)}, path)
    return path


def test_rows_are_in_natural_order(dump: Path) -> None:
    """Layers stand in natural order, with shape, dtype and bytes; integers are listed, too."""
    rows = [
        (row.input, row.name, row.layer, row.param, row.shape, row.dtype, row.bytes) for row in listed(dump).tensors
    ]
    assert rows == [
        (str(dump), "ids", "ids", "", (2,), "int64", 16),
        (str(dump), "l9.w", "l9", "w", (4,), "float64", 32),
        (str(dump), "l10.w", "l10", "w", (2, 3), "float32", 24),
    ]


def test_files_stand_one_after_the_other(dump: Path, tmp_path: Path) -> None:
    """Files need not belong together, and what is no number is named with its file."""
    savez(tmp_path / "b.npz", w=np.ones(1), words=np.array(["a"]))
    report = listed(tmp_path / "b.npz", dump)
    assert [row.name for row in report.tensors] == ["w", "ids", "l9.w", "l10.w"]
    assert [note.text for note in report.notes] == [f"{tmp_path}/b.npz: not numbers: words"]


def test_patterns_choose(dump: Path) -> None:
    """What is left out is not listed; a pattern that nothing matches is wrong usage."""
    assert [row.name for row in listed(dump, selection=Selection(("l*",), ("l9*",))).tensors] == ["l10.w"]
    with pytest.raises(UsageError, match=r"--include 'x.* matches no tensor"):
        listed(dump, selection=Selection(("x*",)))


def test_no_element_is_read(dump: Path) -> None:
    """A list comes from the header alone: the elements may be anything."""
    before = listed(dump).tensors
    data = dump.read_bytes()
    dump.write_bytes(data[:-72] + b"\xff" * 72)
    assert list(listed(dump).tensors) == list(before) == list(gradclip_cli.ls(dump).tensors)
