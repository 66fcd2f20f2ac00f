"""The screen of `ls`: one row a tensor for one dump, one row a dump for several."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import savez

import gradclip_cli
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.ls import lines
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.listing import LsReport

PIPE = Room(whole=True)


def shown(report: LsReport, room: Room = PIPE) -> list[str]:
    """Return the lines of a screen as plain text."""
    return [text_of(line) for line in lines(report, room)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, **arrays: Any) -> None:
    """Write a dump."""
    Path(path).parent.mkdir(exist_ok=True)
    savez(path, **arrays)


TENSORS = {"h.0.w": np.ones((2, 3), np.float32), "h.0.b": np.ones(3, np.float32), "h.1.w": np.ones(4, np.float32)}


def test_one_dump(here: Path) -> None:
    """Totals come first, then each tensor with its shape, dtype and size."""
    write("step_7.npz", **TENSORS, count=np.array(3))
    assert shown(gradclip_cli.ls("step_7.npz")) == [
        "step_7.npz: 4 tensors in 3 layers, int64, float32, 14 values, 60 bytes, step 7",
        "",
        " name    shape    dtype  bytes",
        " count  scalar    int64      8",
        " h.0.w     2x3  float32     24",
        " h.0.b       3  float32     12",
        " h.1.w       4  float32     16",
    ]


def test_several_dumps(here: Path) -> None:
    """Each dump has a row; that all hold the same tensors is said in the first line."""
    for step in (1, 2, 10):
        write(f"run/step_{step}.npz", **TENSORS)
    assert shown(gradclip_cli.ls("run")) == [
        "run: 3 dumps, steps 1-2, 10, 3 tensors in 2 layers in each, 39 values, 156 bytes",
        "",
        " dump         step  tensors  values  bytes  dtypes",
        " step_1.npz      1        3      13     52  float32",
        " step_2.npz      2        3      13     52  float32",
        " step_10.npz    10        3      13     52  float32",
        "",
        " all 9 tensors: --by param, --by block, -f json",
    ]


def test_other_tensors_are_said(here: Path) -> None:
    """Dumps that do not hold the same tensors are told apart by what only some have, by shapes and by dtypes."""
    write("run/step_1.npz", w=np.ones(2), v=np.ones(2), u=np.ones(1))
    write("run/step_2.npz", w=np.ones(3), v=np.ones(2, np.float32))
    found = shown(gradclip_cli.ls("run"))
    assert found[0] == "run: 2 dumps, steps 1-2, 10 values, 72 bytes"
    assert found[-5:] == [
        "the dumps do not hold the same tensors; 3 tensors in total",
        " 1 only in some dumps: u",
        " 1 of several shapes: w",
        " 1 of several dtypes: v",
        " all 5 tensors: --by param, --by block, -f json",
    ]


def test_rows_of_dumps(here: Path) -> None:
    """The report has a row for each dump: its step, layout, tensors, elements, bytes and dtypes."""
    write("run/g_10.npz", **TENSORS)
    write("run/g_11.npz", w=np.ones(2))
    dumps = gradclip_cli.ls("run").dumps
    assert dumps is not None
    assert [tuple(dump) for dump in dumps] == [
        ("run/g_10.npz", 10, 1, "npz", "file", 1, 3, 13, 52, ["float32"]),
        ("run/g_11.npz", 11, 1, "npz", "file", 1, 1, 2, 16, ["float64"]),
    ]


def test_a_folder_with_a_tensor_in_each_file_and_a_file_of_steps(here: Path) -> None:
    """A folder of parameters is one dump of many files; a file that holds several steps says how many."""
    for name in ("lstm.weight", "lstm.bias"):
        write(f"grads/{name}.npz", gradient=np.ones(2))
    assert "2 tensors" in shown(gradclip_cli.ls("grads"))[0]
    assert shown(gradclip_cli.ls("grads"))[0].endswith("2 files")
    write("series.npz", **{"step1/w": np.ones(2), "step2/w": np.ones(2)})
    assert shown(gradclip_cli.ls("series.npz"))[0].endswith("2 steps")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_shorter_names(width: int, here: Path) -> None:
    """Names are cut where they are too long for the terminal, and stay different."""
    names = [f"模型.layers.{k}.self_attention.projection_of_values.weight_and_bias_of_it_all" for k in range(40)]
    write("a.npz", **{name: np.ones(2) for name in names})
    found = shown(gradclip_cli.ls("a.npz"), Room(width))
    assert max(map(cells, found)) <= width
    rows = found[3:43]
    assert len(set(rows)) == len(rows) == 40


def test_a_long_table_ends_with_its_head(here: Path) -> None:
    """Where the first line has scrolled away, it stands at the foot again, with where the blocks are."""
    write("a.npz", **{f"h.{k // 3}.{'abc'[k % 3]}.w": np.ones(2, np.float32) for k in range(21)})
    found = shown(gradclip_cli.ls("a.npz"))
    head = "a.npz: 21 tensors in 7 blocks, float32, 42 values, 168 bytes"
    assert found[0] == head
    assert found[-3:] == ["", head, " blocks (7): --by block"]
    for step in range(21):
        write(f"run/step_{step}.npz", w=np.ones(2))
    found = shown(gradclip_cli.ls("run"))
    assert found[0] == found[-2] == "run: 21 dumps, steps 0-20, 1 tensor in each, 42 values, 336 bytes"


def test_a_narrow_terminal_leaves_out_columns(here: Path) -> None:
    """A dtype that the head says is left out before names are cut, then what can best be missed; no line is too wide."""
    names = [f"model.layers.{k}.self_attn.q_proj.weight" for k in range(3)]
    write("a.npz", **{name: np.ones((256, 256), np.float32) for name in names})
    rows = shown(gradclip_cli.ls("a.npz"), Room(60))[-4:]
    assert [row.split() for row in rows] == [
        ["name", "shape", "bytes"],
        *([name, "256x256", "262,144"] for name in names),
    ]
    assert max(map(cells, shown(gradclip_cli.ls("a.npz"), Room(40)))) <= 40
    write("run/step_1.npz", a=np.ones(9**6), b=np.ones(2, np.float32))
    write("run/step_2.npz", a=np.ones(9**6), b=np.ones(2, np.float32))
    assert max(map(cells, shown(gradclip_cli.ls("run"), Room(60)))) <= 60
