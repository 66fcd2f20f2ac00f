"""What is shown is checked before anything is read, and sorted by values."""

import math
from typing import Any

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.render.tables.arrange import wanted
from gradclip_cli.render.view import Order, View, ordered, parse_columns, parse_order
from gradclip_cli.reports.apply import ApplyReport
from gradclip_cli.reports.listing import LsReport, StrategiesReport
from gradclip_cli.reports.stats import StatsReport
from unit.render.made import APPLY, LAYER, STATS, TABLES, of_names, written


def sorted_values(values: list[Any], descending: bool = False) -> list[Any]:
    """Sort bare values."""
    return ordered(values, Order("value", descending), lambda row, _: row)


def test_numbers_are_sorted_as_numbers() -> None:
    """Infinities have their place among the numbers; what is not a number or not there comes last, either way."""
    values = [10.0, None, -math.inf, 9, math.inf, -1.5, True]
    assert sorted_values(values) == [-math.inf, -1.5, True, 9, 10.0, math.inf, None]
    assert sorted_values(values, descending=True) == [math.inf, 10.0, 9, True, -1.5, -math.inf, None]
    for descending in (False, True):
        assert sorted_values([math.nan, 1.0], descending)[0] == 1.0


def test_text_is_sorted_naturally() -> None:
    """Numbers within names count as numbers; shapes are compared size by size."""
    assert sorted_values(["l.10.w", "l.2.w", "l.1.w"]) == ["l.1.w", "l.2.w", "l.10.w"]
    assert sorted_values([["s10", "s11"], "s2"]) == ["s2", ["s10", "s11"]]
    assert sorted_values([(10, 2), (9, 100), ()]) == [(), (9, 100), (10, 2)]


@pytest.mark.parametrize("descending", [False, True])
def test_equal_rows_keep_their_order(descending: bool) -> None:
    """Rows of the same value stay as they were."""
    rows = [("a", 1), ("b", 1), ("c", 1)]
    assert ordered(rows, Order("1", descending), lambda row, column: row[int(column)]) == rows


@pytest.mark.parametrize(("text", "order"), [("norm", Order("norm")), ("norm:desc", Order("norm", True))])
def test_orders_are_parsed(text: str, order: Order) -> None:
    """An order is a column, and `:desc` where the largest comes first."""
    assert parse_order(text) == order


@pytest.mark.parametrize("text", ["norm:", "norm:up", "norm:desc:desc"])
def test_other_directions_are_refused(text: str) -> None:
    """Nothing but `desc` stands behind the colon."""
    with pytest.raises(UsageError, match="COLUMN"):
        parse_order(text)


def test_columns_are_parsed() -> None:
    """Spaces around commas do not count."""
    assert parse_columns("a, b,c") == ("a", "b", "c")


@pytest.mark.parametrize(
    ("view", "report", "message"),
    [
        (View("csv", columns=("nam",)), LsReport, r"did you mean name\? columns are input, name, layer, param"),
        (View("csv", columns=("xyz",)), LsReport, "no column 'xyz'; columns are input"),
        (View("csv", columns=("",)), LsReport, "no column ''"),
        (View("csv", columns=("name", "name")), LsReport, "twice"),
        (View("table", order=Order("Norm_before")), ApplyReport, "did you mean norm_before"),
        (View("table", order=Order("labels")), ApplyReport, "labels"),
        (View("csv", frozenset({"step"}), columns=("mean",)), StatsReport, "columns are scope, input, step, norm"),
        (View("table", columns=("name", "norm")), StatsReport, "no table has all of the columns name, norm"),
        (View("md", TABLES, columns=("tensors",)), ApplyReport, "no table"),
        (View("md", columns=("scope",)), StrategiesReport, "scope"),
    ],
)
def test_columns_that_are_not_there_are_refused(view: View, report: type, message: str) -> None:
    """A column that no row has is refused before there is a report; the nearest is named, and all of them."""
    with pytest.raises(UsageError, match=message):
        view.check(report)


@pytest.mark.parametrize("options", [{"columns": ("name",)}, {"order": Order("name")}, {"top": 1}])
def test_json_is_whole(options: dict[str, Any]) -> None:
    """JSON holds the whole report, and what would choose from it is refused."""
    with pytest.raises(UsageError, match="json holds the whole report"):
        View("json", **options)


@pytest.mark.parametrize("format", ["table", "json", "ndjson", "md"])
def test_only_separated_values_have_headings_to_leave_out(format: str) -> None:
    """--no-headers is for csv and tsv."""
    with pytest.raises(UsageError, match="csv and tsv"):
        View(format, headers=False)


def test_tables_that_lack_a_column_are_left_out() -> None:
    """With columns chosen, the tables stand that have them all, and no suggestions and pictures."""
    view = View(columns=("layer", "mean"))
    assert [grid.title for grid in wanted(STATS, view)] == [
        "L2 norm of each param in one dump",
        "L2 norm of each layer in one dump",
    ]
    assert [[column.heading for column in grid.columns] for grid in wanted(STATS, view)] == [["layer", "mean"]] * 2


def test_suggestions_are_neither_sorted_nor_cut() -> None:
    """A table that is no list of the report's rows stays as it is."""
    report = STATS._replace(suggestions=STATS.suggestions * 3)
    assert len(wanted(report, View(top=1, order=Order("mean")))[-1].rows) == 3


def test_tables_are_sorted_by_values_and_not_by_what_is_shown() -> None:
    """Norms that look the same are told apart; the total stays."""
    names = {f"l{k}": 1 + k * 1e-9 for k in range(4)}
    param = APPLY.dumps[0].params[0]
    dump = APPLY.dumps[0]._replace(
        layers=[LAYER._replace(layer=name, norm_before=norm) for name, norm in names.items()],
        params=[param._replace(layer=name, norm_before=norm, max_abs_before=-norm) for name, norm in names.items()],
    )
    report = APPLY._replace(dumps=[dump])
    for column, first in (("norm_before", ["l3", "l2"]), ("max_abs_before", ["l0", "l1"])):
        layers, params = wanted(report, View("table", TABLES, order=Order(column, True), top=2))
        assert [row[0] for row in layers.rows] == first
        assert len(params.rows) == 2
        assert (layers.total is not None, layers.total) == (True, params.total)


def test_a_table_without_the_column_keeps_its_order() -> None:
    """Sorting by what a table has not leaves its rows where they are, and the first are kept."""
    report = STATS._replace(layers=[row._replace(layer=name) for row in STATS.layers for name in "ba"])
    [grid] = wanted(report, View("table", frozenset({"layer"}), order=Order("norm"), top=1))
    assert grid.rows[0][0] == "b"


def test_a_chosen_column_of_text_is_printable() -> None:
    """What a table adds for a chosen column is escaped like everything else."""
    text = written(of_names("evil\x1b[2J"), View(columns=("input", "layer")))
    assert "\x1b" not in text
    assert text.count("evil\\x1b[2J") == 2
