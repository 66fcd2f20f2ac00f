import numpy as np

from gradclip_cli.render.html.heat import colour
from gradclip_cli.render.html.heat_map import HeatMap
from gradclip_cli.render.html.pooled import cells_of
from gradclip_cli.render.html.rows import map_rows
from unit.render.html.made import cells_in, run_of

LAYERS = ["h.0.a", "h.0.b", "h.1.a"]
FIGURES = np.array([[1.0, 10.0, 1.0, 1.0], [1.0, 1.0, 100.0, 1.0], [0.1, 1.0, 1.0, 1.0]])


def made(most: int = 3) -> HeatMap:
    """A map of three layers and four steps with at most so many rows."""
    run = run_of(LAYERS, FIGURES)
    rows = map_rows(LAYERS, blocks_are_layers=False, labels={}, most=most)
    cells = cells_of(FIGURES, np.ones(FIGURES.shape, np.bool_), np.ones(3))
    return HeatMap.of(run.stats.dumps, LAYERS, FIGURES, cells, rows)


def test_a_map_has_a_row_for_each_layer_or_for_several() -> None:
    """Each cell is a figure, or the largest of its row and columns; fewer columns lose no largest one."""
    assert cells_in(made().data()) == [[0, 100, 0, 0], [0, 0, 200, 0], [-100, 0, 0, 0]]
    assert cells_in(made(most=2).of_columns(2).data()) == [[100, 200], [0, 0]]


def test_the_top_of_a_row_is_that_of_any_layer_in_it() -> None:
    """A row names the layer and the dump that stand highest, and the table names both."""
    heat = made(most=2)
    assert heat.tops(FIGURES) == [(1, 2), (2, 1)]
    assert (heat.heads, heat.named(0, 1)) == (["block", "layer"], ["h.0", "h.0.b"])
    assert (made().heads, made().named(2, 2)) == (["layer"], ["h.1.a"])


def test_words_say_what_a_row_is() -> None:
    """A view has the words it is given, and says which layer a row of several shows."""
    heat = made(most=2)
    subtitle = heat.subtitle("stands highest", " More.")
    assert subtitle == ["Each row is a block, shown by the layer of it that stands highest. More."]
    view = heat.view("Title", subtitle, colour("ratio", heat.cells), heat.told("ratio"), linked=False)
    assert view["title"] == {"text": "Title", "subtitle": subtitle}
    assert [one["field"] for one in heat.told("ratio")] == ["name", "layer", "steps", "times"]
