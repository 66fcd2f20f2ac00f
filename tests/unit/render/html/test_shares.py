import numpy as np
import pytest

from gradclip_cli.render.html.shares import picture
from gradclip_cli.reports.stats import BlockShare, StatsKind
from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from unit.render.html.made import run_of

LAYERS = ["embed", *(f"h.{k}.w" for k in range(8)), "head"]


def test_groups_hold_their_part_of_the_squared_norm() -> None:
    """Shares of groups are sums of squares over the squared norm, in the order of depth."""
    norms = np.random.default_rng(3).random((10, 20))
    found = picture(run_of(LAYERS, norms))
    assert found is not None
    values = found.alone["data"]["values"]
    assert [one["group"] for one in values] == ["embed", "h.0 to h.1", "h.2 to h.3", "h.4 to h.5", "h.6 to h.7", "head"]
    squares = norms**2 / (norms**2).sum(axis=0)
    expected = [squares[0], *(squares[k : k + 2].sum(axis=0) for k in (1, 3, 5, 7)), squares[9]]
    assert np.array([one["s"] for one in values]) == pytest.approx(1000 * np.array(expected), abs=0.5)


def test_steps_without_shares_are_empty() -> None:
    """A step that is not finite, or all 0, has no shares, and counts for no figure of the table."""
    norms = np.array([[3.0, np.nan, 0.0, 3.0], [4.0, 1.0, 0.0, 4.0]])
    found = picture(run_of(["a", "b"], norms))
    assert found is not None
    assert [one["s"] for one in found.alone["data"]["values"]] == [[360, None, None, 360], [640, None, None, 640]]
    assert found.tables[0].rows[0] == ["a", "1", "36 %", "36 %", "36 %"]


def test_another_norm_has_shares_of_its_own_sum() -> None:
    """For P-norms, parts are those of the sum of |g|^P; the largest magnitude has none."""
    found = picture(run_of(["a", "b"], [[1.0, 1.0], [3.0, 3.0]], norm_type=1.0))
    assert found is not None
    assert (found.title, found.alone["data"]["values"][1]["s"]) == ("Share of the sum of |g|^1", [750, 750])
    assert picture(run_of(["a", "b"], [[1.0, 1.0], [3.0, 3.0]], norm_type=float("inf"))) is None


def test_small_layers_beside_the_blocks_are_one_group() -> None:
    """No more groups are drawn than there are colours."""
    layers = [*LAYERS[1:-1], *(f"name{'abcdefghijk'[k]}" for k in range(11))]
    found = picture(run_of(layers, np.ones((19, 3))))
    assert found is not None
    groups = [one["group"] for one in found.alone["data"]["values"]]
    assert (len(groups), groups.count("8 other layers")) == (8, 1)
    assert sum(one["s"][0] for one in found.alone["data"]["values"]) == pytest.approx(1000, abs=4)


def test_one_dump_shows_the_blocks_that_hold_most() -> None:
    """The blocks of one dump are bars; those without a share are left out."""
    blocks = [BlockShare(f"h.{k}", 1.0, 0.5 if k else None, None, 1.0, 0, 1) for k in range(3)]
    found = picture(run_of(["a"], [[1.0]], shares=blocks))
    assert found is not None
    assert [one["block"] for one in found.alone["data"]["values"]] == ["h.1", "h.2"]


def test_nothing_but_zeros_has_no_shares() -> None:
    """A run of zeros, or of NaN, or of one layer, has no picture."""
    assert picture(run_of(["a", "b"], np.zeros((2, 3)))) is None
    assert picture(run_of(["a", "b"], np.full((2, 3), np.nan))) is None
    assert picture(run_of(["a"], np.ones((1, 3)))) is None


def test_kinds_of_modules_hold_shares() -> None:
    """By kind, a group is all layers whose names differ in numbers alone, of a run and of one dump."""
    layers, norms = ["h.0.a", "h.0.b", "h.1.a"], np.array([[1.0, 3.0], [2.0, 0.0], [2.0, 4.0]])
    found = picture(run_of(layers, norms)._replace(by="kind"))
    assert found is not None
    drawn = [(one["group"], one["s"]) for one in found.alone["data"]["values"]]
    assert drawn == [("h.*.a", [556, 1000]), ("h.*.b", [444, 0])]
    table = NormTable([GroupName("h.*.a"), GroupName("h.*.b")], np.array([[3.0, 4.0]]))
    kinds = [StatsKind(str(group), 1, one) for group, one in zip(table.groups, table.summaries(), strict=True)]
    shares = [BlockShare("h.0", 1.0, 1.0, None, 1.0, 0, 1)]
    one = picture(run_of(layers, norms[:, :1], shares=shares, module_kinds=kinds)._replace(by="kind"))
    assert one is not None
    assert one.tables[0].rows == [["h.*.b", "4", "64.0 %"], ["h.*.a", "3", "36.0 %"]]
