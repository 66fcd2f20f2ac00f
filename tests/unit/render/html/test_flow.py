import sys

import numpy as np
import pytest

from gradclip_cli.render.html.flow import picture
from unit.render.html.made import run_of


def test_kinds_are_lines_over_depth() -> None:
    """Each kind has a point for each block, with the median and the 90th percentile of its norms."""
    norms = np.random.default_rng(2).random((6, 11)) + 0.5
    layers = [f"h.{k}.{kind}" for k in range(3) for kind in ("a", "b")]
    found = picture(run_of(layers, norms))
    assert found is not None
    values = {(one["kind"], one["place"]): one for one in found.alone["data"]["values"]}
    assert len(values) == 6
    for k, row in enumerate(norms):
        one = values["ab"[k % 2], k // 2]
        assert one["median"] == pytest.approx(np.median(row), rel=1e-3)
        assert one["p90"] == pytest.approx(np.sort(row)[9], rel=1e-3)
        assert one["max"] == pytest.approx(row.max(), rel=1e-3)


def test_the_sentence_names_the_kind_that_changes_most() -> None:
    """The sentence has the norms of the steepest kind at both ends."""
    layers = [f"h.{k}.{kind}" for k in range(3) for kind in ("a", "b")]
    found = picture(run_of(layers, [[1.0], [1.0], [1.0], [4.0], [2.0], [20.0]]))
    assert found is not None
    said = (
        "2 kinds of layers in 3 blocks: the median norm of b is 1 in its first block and 20 in its last, 20 x larger."
    )
    assert found.says == said


def test_an_axis_stays_within_float64() -> None:
    """Of norms from the least to the largest that there are, the ends of the axis are normal numbers."""
    found = picture(run_of([f"h.{k}.a" for k in range(3)], [[5e-324] * 2, [1.0] * 2, [1.79e308] * 2]))
    assert found is not None
    low, high = found.alone["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert sys.float_info.min < low < high < sys.float_info.max


def test_layers_beside_the_blocks_are_counted() -> None:
    """Layers that have no depth are no part of a line, and the picture says how many there are."""
    found = picture(run_of(["embed", "h.0.a", "h.1.a", "h.2.a", "head"], np.ones((5, 2))))
    assert found is not None
    assert {one["kind"] for one in found.alone["data"]["values"]} == {"a"}
    assert "Without 2 layers in no numbered block." in found.alone["title"]["subtitle"][0]


def test_layers_without_numbers_stand_side_by_side() -> None:
    """Where few blocks have numbers, each layer has a mark, in the order of a forward pass."""
    found = picture(run_of(["decoder", "lstm", "embedding"], [[1.0, 1.0], [5.0, 7.0], [3.0, 3.0]]))
    assert found is not None
    assert [one["kind"] for one in found.alone["data"]["values"]] == ["embedding", "lstm", "decoder"]
    assert found.says == "3 layers: median norms from 1 (decoder) to 6 (lstm)."


def test_kinds_beyond_the_colours_share_one() -> None:
    """The colours are those of the theme; kinds beyond them are grey, and have lines of their own."""
    found = picture(run_of([f"h.{k}.kind{kind}" for k in range(3) for kind in "abcdefghijk"], np.ones((33, 2))))
    assert found is not None
    domain = found.alone["layer"][1]["encoding"]["color"]["scale"]["domain"]
    assert (len(domain), domain[-1]) == (8, "others")
    assert {one["group"] for one in found.alone["data"]["values"]} == set(domain)


@pytest.mark.parametrize("norms", [[[0.0, 0.0]] * 3, [[float("nan")] * 2] * 3, [[1.0, 1.0]]])
def test_nothing_to_draw_is_no_picture(norms: list[list[float]]) -> None:
    """Layers that are all 0 or not finite, or a single one, have no flow."""
    assert picture(run_of(["a", "b", "c"][: len(norms)], norms)) is None
