import numpy as np

from gradclip_cli.render.html.values import picture
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.values import Magnitudes, ValueReport
from unit.render.html.made import run_of


def report(counts: list[list[int]], steps: int = 2) -> RunReport:
    """A run whose layers a, b, … have so many elements of 2^-30, 2^-29, and so on."""
    values = np.array(counts, np.int64)
    none = np.zeros(len(values), np.int64)
    layers = Magnitudes(["a", "b", "c"][: len(values)], -30, values, none + 1, none)
    whole = np.tile(values.sum(axis=0), (steps, 1)) // steps
    every = Magnitudes(
        [str(10 * k) for k in range(steps)], -30, whole, np.ones(steps, np.int64), np.zeros(steps, np.int64)
    )
    made = run_of(layers.names, np.ones((len(values), steps)))
    return made._replace(values=ValueReport(layers, every))


def test_a_cell_has_the_share_of_its_layer() -> None:
    """The map of layers has a cell for each exponent that occurs, with its share of the elements above 0 of the layer."""
    found = picture(report([[1, 3, 0], [0, 0, 5]]))
    assert found is not None
    by_layer = found.alone["vconcat"][1]["data"]["values"]
    assert [(one["name"], one["s"]) for one in by_layer] == [("a", [2500, 7500, 0]), ("b", [0, 0, 10_000])]


def test_a_row_of_a_kind_has_the_elements_of_all_its_layers() -> None:
    """By kind, elements of layers whose names differ in numbers alone are counted together."""
    given = report([[1, 3, 0], [0, 0, 5], [1, 0, 0]])
    assert given.values is not None
    layers = given.values.layers._replace(names=["h.0.a", "h.0.b", "h.1.a"])
    found = picture(given._replace(values=given.values._replace(layers=layers), by="kind"))
    assert found is not None
    rows = found.alone["vconcat"][1]["data"]["values"]
    assert [(one["name"], one["s"]) for one in rows] == [("h.*.a", [4000, 6000, 0]), ("h.*.b", [0, 0, 10_000])]


def test_rare_exponents_are_not_lost() -> None:
    """An exponent that a millionth of the elements has is drawn, too."""
    found = picture(report([[1, 10**6]]))
    assert found is not None
    assert found.alone["vconcat"][1]["data"]["values"][0]["s"] == [1, 10_000]


def test_one_dump_has_no_map_of_steps() -> None:
    """The magnitudes of one dump are drawn for the whole and by layer only."""
    one, several = picture(report([[4]], steps=1)), picture(report([[4]], steps=2))
    assert one is not None
    assert several is not None
    assert (len(one.alone["vconcat"]), len(several.alone["vconcat"])) == (2, 3)


def test_what_was_not_counted_has_no_picture() -> None:
    """Without counts, or without an element above 0, there is no picture."""
    assert picture(run_of(["a"], np.ones((1, 2)))) is None
    assert picture(report([[0, 0]])) is None
