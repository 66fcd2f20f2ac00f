from itertools import pairwise

import numpy as np

from gradclip_cli.render.html.heat import (
    OVERLAP,
    cell_layers,
    colour,
    columns_of,
    legend_of,
    row_values,
    unfolded,
    x_axis,
    y_axis,
)
from gradclip_cli.render.html.picture import ZOOM
from gradclip_cli.render.html.pooled import ABSENT, NONFINITE, ZERO, pooled
from gradclip_cli.render.html.rows import map_rows
from gradclip_cli.reports.stats import StatsDump
from unit.render.html.made import cells_in

CELLS = np.array([[0, 120, ZERO, NONFINITE], [ABSENT, -50, 10, 20], [ZERO, ZERO, ZERO, ZERO]], np.int32)


def dumps(*steps: int) -> list[StatsDump]:
    """Dumps of these steps."""
    return [StatsDump("a.npz", step, 1.0, 1.0, 0) for step in steps]


def test_columns_reach_halfway_to_their_neighbours() -> None:
    """Columns leave no gap, however far steps are apart, and each says which steps it holds."""
    assert [(one["from"], one["to"], one["steps"]) for one in columns_of(dumps(1, 2, 10), [0, 2])] == [
        (0.5, 6.0, "1 to 2"),
        (6.0, 14.0, "10"),
    ]
    assert [(one["from"], one["to"]) for one in columns_of(dumps(5), [0])] == [(4.5, 5.5)]


def test_rows_hold_their_cells_and_what_is_absent_holds_none() -> None:
    """A row of one layer has its cells, which what a page does with them gives back, None where one is absent."""
    rows, cells = map_rows(["a", "b", "c"], blocks_are_layers=True, labels={}), pooled(CELLS, range(3), range(4))
    values = row_values(rows, ["a", "b", "c"], cells)
    view = {
        "data": {"values": values},
        "transform": unfolded(columns_of(dumps(1, 2, 3, 4), range(4)), cells, several=False),
    }
    assert cells_in(view) == [[0, 120, ZERO, NONFINITE], [None, -50, 10, 20], [ZERO] * 4]
    assert all("w" not in one for one in values)


def test_rows_of_several_layers_say_which_stands_highest() -> None:
    """A cell of several layers is the highest, with the place of its layer, and a mark where any is 0."""
    rows = map_rows(["h.0.a", "h.0.b", "h.0.c"], blocks_are_layers=False, labels={}, most=1)
    (found,) = row_values(rows, ["h.0.a", "h.0.b", "h.0.c"], pooled(CELLS, rows.starts, range(4)))
    which = [int(digit, 36) for digit in found["w"]]
    assert [found["of"][w // 2] for w in which] == ["h.0.a", "h.0.a", "h.0.b", "h.0.a"]
    assert [w % 2 for w in which] == [1, 1, 1, 1]


def test_kinds_of_cells_differ_in_more_than_colour() -> None:
    """What is 0 is a thin line, what is not finite is told in words; only kinds that occur are drawn and told."""
    rows, told = map_rows(["a", "b", "c"], blocks_are_layers=True, labels={}), [{"field": "times"}]
    x, columns = x_axis(dumps(1, 2, 3, 4), linked=False), columns_of(dumps(1, 2, 3, 4), range(4))
    every, known = pooled(CELLS, rows.starts, range(4)), pooled(CELLS[1:2, 1:], [0], range(3))
    layers = cell_layers(x, rows, every, columns, colour("ratio", every), told)
    assert [one["mark"].get("height") for one in layers] == [None, OVERLAP["height"], {"band": 0.34}, None]
    assert legend_of(every) == ["✕ above, and cells of its colour: not finite; thin line: 0; empty: absent."]
    assert len(cell_layers(x, rows, known, columns, colour("ratio", known), told)) == 2
    assert legend_of(known) == []


def test_colours_reach_as_far_as_ratios() -> None:
    """Colours reach to a factor of 10 at least, and of 1,000 at most."""
    reach = [
        colour("", pooled(np.array([[cell]], np.int32), [0], [0]))["scale"]["domain"] for cell in (3, 120, 30_000, ZERO)
    ]
    assert reach == [[-1.0, 1.0], [-1.5, 1.5], [-3.0, 3.0], [-1.0, 1.0]]


def test_only_a_page_has_a_brush() -> None:
    """On a page, steps are those of the brush; a view of its own knows none."""
    assert x_axis(dumps(1, 2), linked=True)["scale"]["domain"] == {"param": ZOOM, "encoding": "x"}
    assert "domain" not in x_axis(dumps(1, 2), linked=False)["scale"]


def test_of_many_rows_the_first_of_each_block_is_labelled() -> None:
    """Few rows are all labelled, of many the first of each block, by the block, and the last row; none covers another."""
    few = map_rows([f"h.{k}.a" for k in range(5)], blocks_are_layers=False, labels={})
    assert y_axis(few)["axis"]["values"] == list(few.labels)
    many = map_rows([f"h.{k // 5}.{k % 5}" for k in range(100)], blocks_are_layers=False, labels={})
    assert y_axis(many)["axis"]["values"] == [*list(many.labels)[::5], many.labels[-1]]
    thin = map_rows([f"h.{k}" for k in range(150)], blocks_are_layers=True, labels={})
    shown = [list(thin.labels).index(label) for label in y_axis(thin)["axis"]["values"]]
    assert shown[-1] == 149
    assert min(b - a for a, b in pairwise(shown)) * 450 / 150 >= 10
    assert '"h.7.0": "h.7"' in y_axis(many)["axis"]["labelExpr"]
