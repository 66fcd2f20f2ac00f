"""csv, tsv and ndjson hold one rectangular table with the report's own values."""

import math
from typing import Any

import pytest
from support.parsing import csv_rows, tsv_rows

from gradclip_cli.render.records import columns
from gradclip_cli.render.view import Order, View
from unit.render.made import APPLY, FINDINGS, NAME, REPORTS, STATS, rows, written


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
    assert list(only) == [
        "scope",
        "input",
        "step",
        "norm",
        "max_abs",
        "nonfinite",
        "weight_norm",
        "ratio",
        "update_ratio",
    ]


def test_a_list_of_rows_needs_no_code_of_its_own() -> None:
    """A report that is one list of rows is written as it is."""
    assert written(FINDINGS, View("csv")) == "rule,step,value,flags\ndead,3,-inf,\nspread,,nan,\n"
    assert rows(FINDINGS)[0] == {"rule": "dead", "step": 3, "value": "-inf", "flags": []}


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
