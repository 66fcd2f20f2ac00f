import numpy as np

from gradclip_cli.render.html.map_norms import map_norms, sentence_of, table_of
from gradclip_cli.reports.check import FirstRise
from gradclip_cli.reports.stats_series import NamedNorms, NormSeries
from unit.render.html.made import run_of

NAN, INF = float("nan"), float("inf")
LAYERS = ["embed", "h.0.a", "h.1.a"]
NORMS = [[1.0, 2.0, 9.0, 1.0, NAN], [4.0, 4.0, 4.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
FIRST = FirstRise(20, 20, "run/2.npz", ["h.0", "embed"], [2.0, 1.0])


def test_the_table_has_the_numbers_of_the_map() -> None:
    """Each row has the median of its norms above 0, its largest norm over it, where that is, and how many dumps are bad or 0."""
    found = map_norms(run_of(LAYERS, NORMS))
    assert found is not None
    assert table_of(found).rows == [
        ["embed", "1.5", "9", "20", "6 x", "1", "0"],
        ["h.0.a", "4", "4", "0", "1 x", "0", "0"],
        ["h.1.a", "-", "0", "0", "-", "0", "5"],
    ]


def test_the_sentence_names_the_layer_that_rises_highest() -> None:
    """The sentence says which layer rises highest, when, and how many layers are not finite."""
    found = map_norms(run_of(LAYERS, NORMS))
    assert found is not None
    said = (
        "3 layers over 5 dumps: embed rises highest over its median, 6 x at step 20; 1 layer not finite at some step."
    )
    assert sentence_of(found) == said


def test_what_rose_first_is_a_row_and_a_dump() -> None:
    """The blocks that rose first are the rows of their highest layers, the first of which is picked."""
    found = map_norms(run_of(LAYERS, NORMS, first=FIRST))
    assert found is not None
    assert found.rise is not None
    assert (found.rise.dump, found.rise.labels) == (2, ["h.0.a", "embed"])
    assert found.picked() == "h.0.a"


def test_without_a_first_rise_the_highest_row_is_picked() -> None:
    """Where nothing rose, or everything did, the row that stands highest over its median is drawn."""
    together = FIRST._replace(names=[], times=[])
    for first in (None, together):
        found = map_norms(run_of(LAYERS, NORMS, first=first))
        assert found is not None
        assert found.picked() == "embed"


def test_a_row_of_a_block_tells_of_the_layer_that_rises_highest() -> None:
    """With more layers than rows, the table has a row for each block, and names the layer."""
    layers = [f"h.{k // 2}.{'ab'[k % 2]}" for k in range(200)]
    norms = np.ones((200, 4))
    norms[7, 2] = 50
    found = map_norms(run_of(layers, norms))
    assert found is not None
    table = table_of(found)
    assert (len(table.rows), table.heads[:2]) == (100, ["block", "layer"])
    assert table.rows[3] == ["h.3", "h.3.b", "1", "50", "20", "50 x", "0", "0"]
    assert found.heat.cells.cells[3].tolist() == [0, 0, 170, 0]


def test_ratios_beyond_float64_are_told_as_none() -> None:
    """Norms so far apart that their ratio is no float64 raise nothing."""
    found = map_norms(run_of(["w"], [[1e-300, 1e-300, 1e300]]))
    assert found is not None
    assert table_of(found).rows == [["w", "1e-300", "1e+300", "20", "-", "0", "0"]]


def test_one_dump_and_the_whole_alone_have_no_map() -> None:
    """A map needs layers and two dumps."""
    assert map_norms(run_of(["a"], [[1.0]])) is None
    whole = NormSeries([0, 10], None, NamedNorms([], []))  # of a log
    assert map_norms(run_of(["a"], [[1.0, 2.0]], series=whole)) is None
