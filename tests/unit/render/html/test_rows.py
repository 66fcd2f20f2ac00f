import numpy as np

from gradclip_cli.render.html.rows import map_rows, matrix_of
from gradclip_cli.reports.stats_series import NamedNorms
from unit.render.html.made import named


def test_a_matrix_has_layers_in_the_order_of_a_forward_pass() -> None:
    """Rows go from the first layer to the last, whatever the order of a file; what is absent is marked."""
    norms = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    absent = np.array([[False, True], [False, False], [False, False]])
    found = matrix_of(named(["h.1", "embed", "h.0"], norms, absent))
    assert found.layers == ["embed", "h.0", "h.1"]
    assert found.norms.tolist() == [[3, 4], [5, 6], [1, 2]]
    assert found.present.tolist() == [[True, True], [True, True], [True, False]]


def test_lists_of_norms_make_the_same_matrix() -> None:
    """A report that was copied holds lists, with None for what is absent."""
    found = matrix_of(NamedNorms(["a", "b"], [[1.0, None], [float("inf"), 2.0]]))
    assert found.present.tolist() == [[True, False], [True, True]]
    assert found.norms[found.present].tolist() == [1.0, float("inf"), 2.0]


def test_blocks_take_the_place_of_many_layers() -> None:
    """More layers than rows are shown by block, each with its layers; layers of one block stand together."""
    layers = ["embed", "h.0.a", "h.1.a", "h.0.b", "h.1.b"]
    found = map_rows(layers, blocks_are_layers=False, labels={}, most=3)
    assert (found.noun, found.names) == ("block", ["embed", "h.0", "h.1"])
    assert [[layers[k] for k in found.layers_of(row)] for row in range(3)] == [
        ["embed"],
        ["h.0.a", "h.0.b"],
        ["h.1.a", "h.1.b"],
    ]
    assert not found.are_layers


def test_neighbours_take_the_place_of_many_blocks() -> None:
    """Where blocks are too many, too, rows are neighbouring layers, named by the first and the last, and all layers are there."""
    layers = [f"h.{k}.w" for k in range(1000)]
    found = map_rows(layers, blocks_are_layers=False, labels={})
    assert len(found.names) == len(set(found.labels)) <= 160
    assert (found.names[0], found.noun) == ("h.0.w to h.6.w", "group of 7 neighbouring layers")
    assert [k for row in range(len(found.names)) for k in found.layers_of(row)] == list(range(1000))


def test_labels_are_all_different() -> None:
    """Rows whose names look alike once they are printable have labels of their own."""
    found = map_rows(["a\x1b", "a\\x1b", "b"], blocks_are_layers=True, labels={})
    assert len(set(found.labels)) == 3


def test_a_label_of_a_framework_stands_beside_the_name() -> None:
    """A layer that its framework calls otherwise has both names."""
    assert map_rows(["0", "1"], blocks_are_layers=True, labels={"0": "lstm"}).names == ["0 (lstm)", "1"]
