"""csv, tsv and ndjson hold one rectangular table with the report's own values."""

import io
import math
from typing import Any, NamedTuple

import pytest
from support.parsing import csv_rows, strict, tsv_rows

from gradclip_cli import render
from gradclip_cli.render.flat import columns
from gradclip_cli.render.order import Order
from gradclip_cli.render.view import View
from gradclip_cli.report import LsReport, LsTensor
from unit.test_render import APPLY, LS, NAME, REPORTS, STATS, STRATEGIES

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    '"=1+1"',
    '"',
    "a,b",
    'a"b',
    "two\nlines",
    "tab\there",
    "evil\x1b[2J",
    "turn\u202earound",
    "lone\udc80",
    "权重.第一层",
    " spaced ",
    "x" * 5000,
    "",
    "`code` *a* _b_ [c](d) <b> | \\| & #",
]


class Finding(NamedTuple):
    rule: str
    step: int | None
    value: float | None
    flags: list[bool]


class FindingsReport(NamedTuple):
    findings: list[Finding]
    dumps: int
    labels: dict[str, str]
    notes: list[str]


FINDINGS: Any = FindingsReport([Finding("dead", 3, -math.inf, []), Finding("spread", None, math.nan, [])], 2, {}, [])


def written(report: Any, view: View) -> str:
    """The text of a report."""
    stream = io.StringIO(newline="")
    render.write(report, stream, view)
    return stream.getvalue()


def rows(report: Any, **options: Any) -> list[dict[str, Any]]:
    """The rows of a report by ndjson."""
    return [strict(line) for line in written(report, View("ndjson", **options)).splitlines()]


def of_names(*names: str) -> LsReport:
    """A list of tensors of these names."""
    return LsReport([LsTensor(name, name, name, "", (2,), "float32", 8) for name in names], {}, [])


@pytest.mark.parametrize("report", [*REPORTS, FINDINGS], ids=lambda report: type(report).__name__)
def test_every_report_is_rectangular(report: Any) -> None:
    """Each report has one line of headings, and as many cells in every row; the formats agree in them."""
    [head, *cells] = csv_rows(written(report, View("csv")))
    assert head == list(columns(type(report)))
    assert len(set(head)) == len(head)
    assert {len(row) for row in cells} == {len(head)}
    assert tsv_rows(written(report, View("tsv"))) == [head, *cells]
    assert [list(row) for row in rows(report)] == [head] * len(cells)


def test_apply_has_a_scope_for_params_layers_and_totals() -> None:
    """`apply` has a row for each param, layer and total, in that order, each with its dump and its own values only."""
    param, left_out, layer, total = rows(APPLY)
    assert [row["scope"] for row in (param, left_out, layer, total)] == ["param", "param", "layer", "total"]
    assert {(row["input"], row["step"]) for row in (param, left_out, layer, total)} == {("in.npz", 7)}
    assert (param["name"], param["shape"], param["max_abs_before"]) == (NAME, [2, 3], "inf")
    assert (left_out["norm_before"], left_out["shape"]) == (None, [2])
    assert (layer["layer"], layer["params"], layer["name"], layer["shape"]) == ("lstm", 1, None, None)
    assert (total["norm_before"], total["groups"], total["layer"]) == ("nan", 1, None)


def test_csv_of_apply_by_hand() -> None:
    """Columns stand in the documented order; numbers are whole, what was not measured is empty."""
    lines = written(APPLY._replace(dumps=[APPLY.dumps[0]._replace(input=["a,1.npz", "b.npz"])]), View("csv")).split(
        "\n"
    )
    assert lines[0] == (
        "scope,input,step,name,layer,param,shape,dtype,elements,norm_before,norm_after,max_abs_before,max_abs_after,"
        "factor,clipped,clipped_elements,zeros,nonfinite,underflowed,strategy,threshold,params,tensors,groups,clipped_groups"
    )
    assert lines[1] == (
        f'param,"a,1.npz;b.npz",7,{NAME},lstm,w,2x3,float32,6,5.0,1.0,inf,0.1,'
        "0.2,true,6,0,0,0,clip-l2-per-layer,1.0,,,,"
    )
    assert lines[2] == 'param,"a,1.npz;b.npz",7,ids,ids,,2,int64,2,,,,,,false,0,,,,,,,,,'
    assert lines[4:] == ['total,"a,1.npz;b.npz",7,,,,,,6,nan,1.0,-inf,0.1,,,6,,,,,,,1,1,1', ""]


def test_stats_has_the_wanted_scopes_and_no_suggestions() -> None:
    """`stats` has rows of the kinds that are wanted; figures of no samples are empty, and suggestions are left out."""
    param, layer, step, total = rows(STATS)
    assert [row["scope"] for row in (param, layer, step, total)] == ["param", "layer", "step", "total"]
    assert (param["name"], param["mean"], param["nonfinite"]) == (NAME, None, 1)
    assert (layer["layer"], layer["mean"], total["mean"], total["layer"]) == ("lstm", 1.5, 1.5, None)
    assert (step["input"], step["step"], step["norm"], step["max_abs"], step["count"]) == (
        "a.npz",
        None,
        "nan",
        1 / 3,
        None,
    )
    assert "rule" not in total
    [only] = rows(STATS, kinds=frozenset({"step"}))
    assert list(only) == ["scope", "input", "step", "norm", "max_abs", "nonfinite"]


def test_a_list_of_rows_needs_no_code_of_its_own() -> None:
    """A report that is one list of rows is written as it is."""
    assert written(FINDINGS, View("csv")) == "rule,step,value,flags\ndead,3,-inf,\nspread,,nan,\n"
    assert rows(FINDINGS)[0] == {"rule": "dead", "step": 3, "value": "-inf", "flags": []}


@pytest.mark.parametrize("value", [1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e16, 123456789.123456789])
@pytest.mark.parametrize("read", [csv_rows, tsv_rows])
def test_numbers_read_back_the_same(value: float, read: Any) -> None:
    """Numbers are the shortest text that reads back as the same float64, negative ones without a mark."""
    report: Any = FINDINGS._replace(findings=[Finding("x", -1, value, [])])
    _, [_, step, text, _] = read(written(report, View("csv" if read is csv_rows else "tsv")))
    assert (step, text) == ("-1", repr(value))


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_whole_and_harmless(name: str) -> None:
    """Names are whole, with what does not print escaped, and none is a formula or a quote at the beginning of a cell."""
    report = of_names(name)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    _, comma = csv_rows(written(report, View("csv")))
    _, tab = tsv_rows(written(report, View("tsv")))
    assert comma[1] == (f"'{shown}" if shown.startswith(tuple("=+-@＝")) else shown)
    assert tab[1] == (f"'{shown}" if shown.startswith(tuple('=+-@＝"')) else shown)
    assert written(report, View("csv")).count("\n") == 2
    assert rows(report)[0]["name"] == name
    assert written(report, View("ndjson")).isascii()


@pytest.mark.parametrize("name", ["=1+1", '"=1+1"'])
def test_tsv_is_harmless_to_those_who_read_quotes(name: str) -> None:
    """A program that takes quotes in tsv for quoting finds no formula either."""
    import csv

    cells = next(csv.reader(io.StringIO(written(of_names(name), View("tsv", headers=False))), "excel-tab"))
    assert cells[1] == f"'{name}"


def test_columns_are_chosen_and_ordered() -> None:
    """Columns come as they are named; scopes that have none of them are left out."""
    assert written(APPLY, View("csv", columns=("factor", "scope"))) == "factor,scope\n0.2,param\n,param\n0.2,layer\n"
    assert written(STATS, View("tsv", columns=("step", "norm"))) == "step\tnorm\n\tnan\n"
    assert [row["scope"] for row in rows(STATS, columns=("scope",))] == ["param", "layer", "step", "total"]


def test_rows_are_sorted_and_cut_within_each_scope() -> None:
    """Sorting and cutting are over all dumps, within each scope; totals stay last and are not counted."""
    param = APPLY.dumps[0].params[0]
    norms = [2.0, math.nan, 10.0, None]
    dumps = [APPLY.dumps[0]._replace(step=k, params=[param._replace(norm_before=n)]) for k, n in enumerate(norms)]
    report = APPLY._replace(dumps=dumps)
    kept = rows(report, order=Order("norm_before", True), top=2)
    assert [(row["scope"], row["step"]) for row in kept] == [
        *[("param", 2), ("param", 0), ("layer", 0), ("layer", 1)],
        *[("total", k) for k in range(4)],
    ]
    upwards = [row["step"] for row in rows(report, order=Order("norm_before")) if row["scope"] == "param"]
    assert upwards == [0, 2, 1, 3]


@pytest.mark.parametrize("format", ["csv", "tsv"])
def test_headings_can_be_left_out(format: str) -> None:
    """Without headings everything else is the same."""
    head, _, rest = written(STRATEGIES, View(format)).partition("\n")
    assert head.startswith("name")
    assert written(STRATEGIES, View(format, headers=False)) == rest


def test_rows_are_written_one_after_the_other() -> None:
    """The first rows are written before the last ones are made."""

    class Counted(io.StringIO):
        lines = 0

        def write(self, text: str) -> int:
            self.lines += 1
            return super().write(text)

    stream = Counted()
    render.write(of_names(*"abc"), stream, View("csv"))
    assert stream.lines >= 4


def test_ls_is_as_it_is() -> None:
    """A scalar's shape is not empty, which a shape that is not known is."""
    assert written(LS, View("csv")).splitlines()[1] == f"a.npz,{NAME},lstm,w,scalar,bfloat16,2"
