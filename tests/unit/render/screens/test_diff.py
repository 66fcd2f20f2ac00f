"""The screen of `diff`: the answer first, and never wider than a terminal."""

import math
from typing import Any

import pytest

from gradclip_cli.render.screens.diff import lines
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.diff import DiffBlock, DiffFirst, DiffParam, DiffReport, DiffRuns, DiffStep

PIPE = Room(whole=True)


def param(name: str, rel_diff: float | None = None, status: str = "differs", **more: Any) -> DiffParam:
    """Return a row of a tensor."""
    return DiffParam(name, status, 3.0, 4.0, 4 / 3, 0.5, rel_diff=rel_diff, **more)


def dumps(*params: DiffParam, **more: Any) -> DiffReport:
    """Return a report on two dumps."""
    equal = all(one.status == "same" for one in params)
    return DiffReport(equal, list(params), ("a.npz", "b.npz"), param("total", 0.25, ""), [], [], elements=1200, **more)


def runs(steps: int, blocks: int, **more: Any) -> DiffReport:
    """Return a report on two runs that part at step 1."""
    rows = [
        DiffStep(k, f"a/{k}", f"b/{k}", not k, "differs", k, 3.0, 4.0, 4 / 3, 0.5, k / 10, str(k)) for k in range(steps)
    ]
    of = [
        DiffBlock(f"model.layers.{k}", 2, 2, 3.0, 4.0, 4 / 3, 0.5, 9.0, 1, k, 6.0, 8.0, 4 / 3, 0.25, k / 10)
        for k in range(blocks)
    ]
    params = [param(f"model.layers.{k}.self_attention.projection.weight", 0.5) for k in range(blocks)]
    first = DiffFirst(1, "a/1", "b/1", [params[0].name], "1")
    return DiffRuns(False, params, ("a", "b"), param("total", 0.25, ""), [], of, rows, first, 9, **more)


def shown(report: DiffReport, room: Room = PIPE) -> list[str]:
    """Return the lines of a screen as plain text."""
    return [text_of(line) for line in lines(report, room)]


def test_equal_dumps_are_one_line() -> None:
    """What is equal needs no table; a tolerance is named, and how far apart elements are within it."""
    assert shown(dumps(param("w", 0.0, "same"), param("v", 0.0, "same"))) == ["equal: 2 tensors, 1,200 values"]
    near = dumps(param("w", 1e-9, "same", max_abs_diff=3e-8), tolerance=(1e-6, 0.0))
    assert shown(near) == ["equal within rtol 1e-06: 1 tensor, 1,200 values, at most 3e-08 apart"]


def test_what_differs_most_comes_first() -> None:
    """NaN comes before infinities and numbers, what has no norm last; what is left out is counted."""
    rows = [param(f"w{k}", float(k)) for k in range(1, 10)]
    report = dumps(*rows, param("ids", None, max_abs_diff=7.0), param("nan", math.nan), param("same", 0.0, "same"))
    found = shown(report)
    assert found[:3] == [
        "a.npz (a) and b.npz (b):",
        "11 of 12 tensors differ",
        "norm  a 3   b 4   ratio 1.333   cosine 0.5   |a-b| 0.25 x the smaller norm",
    ]
    names = [line.split()[0] for line in found[5:] if line.startswith(" ")]
    assert names == ["nan", *(f"w{k}" for k in range(9, 0, -1)), "1"]
    assert found[-1] == " 1 more: --by param, --by block (0), -f json"


def test_tensors_of_one_dump_or_of_another_shape() -> None:
    """Each status has its line, with shapes and dtypes; a dtype that all share is said once."""
    cast = {"dtype_a": "bfloat16", "dtype_b": "float32"}
    report = dumps(
        param("v", 1.0, **cast),
        param("w", 2.0, **cast),
        param("old", None, "only-a", shape_a=(2, 3), dtype_a="float32"),
        *(param(f"new{k}", None, "only-b", shape_b=(), dtype_b="float16") for k in range(6)),
        param("flat", None, "reshaped", shape_a=(2,), shape_b=(1, 2)),
    )
    found = shown(report)
    assert found[1] == "2 of 3 tensors differ, 1 of another shape, 1 only in a, 6 only in b, bfloat16 -> float32"
    assert found[-4:] == [
        " of another shape  flat (2 -> 1x2)",
        " only in a         old (2x3, float32)",
        " only in b         " + ", ".join(f"new{k} (scalar, float16)" for k in range(4)) + ", and 2 more",
        " all: --by param, --by block (0), -f json",
    ]


def test_runs() -> None:
    """The steps and blocks that differ most are listed, the rest is counted, and bars show every step."""
    found = shown(runs(12, 10))
    assert found[:3] == [
        "a (a) and b (b):",
        "11 of 12 steps differ, from step 1 on, in all 10 tensors",
        " first      at step 1, 1 tensor: model.layers.0.self_attention.projection.weight",
    ]
    assert found[6:9] == ["|a-b| over the smaller norm, step by step, log scale", " ▁▃▄▅▆▆▇▇▇██", "0         11"]
    steps = found.index(next(line for line in found if line.startswith(" steps that differ most")))
    assert [line.split()[0] for line in found[steps + 1 : steps + 5]] == ["11", "10", "9", "8"]
    assert found[steps + 6] == " blocks that differ most, each at its worst step"
    assert [line.split() for line in found[steps + 8 : steps + 13]] == [
        [f"model.layers.{k}", "6", "8", "1.333", "0.25", f"{k / 10:g}", str(k)] for k in range(9, 4, -1)
    ]
    assert found[-1] == " more: --by step (12), --by block (10), --by param (10), -f json"
    assert len(found) == steps + 14


def test_few_steps_stand_in_their_order() -> None:
    """A short run needs no bars, and its steps are in order."""
    found = shown(runs(4, 1))
    assert not any("log scale" in line for line in found)
    table = found.index(next(line for line in found if line.startswith(" steps that differ")))
    assert [line.split()[0] for line in found[table + 1 : table + 4]] == ["1", "2", "3"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_is_not_too_narrow(width: int) -> None:
    """No line of tables is wider than the terminal, whatever the names; names stay different."""
    names = [f"模型.layers.{k}.self_attention.projection_of_values.weight" for k in range(30)]
    for report in (dumps(*(param(name, 0.5) for name in names)), runs(300, 30)):
        found = shown(report, Room(width))
        assert max(map(cells, found)) <= width
        rows = [line for line in found if "layers" in line or "lay" in line]
        assert len(set(rows)) == len(rows) > 5


def test_ascii() -> None:
    """A terminal without Unicode gets ASCII."""
    assert all(line.isascii() for line in shown(runs(12, 10), Room(60, unicode=False)))
