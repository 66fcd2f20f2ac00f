import numpy as np

from gradclip_cli.render.html.weight_ratios import WeightRatios, sentence_of, table_of, weight_ratios
from gradclip_cli.reports.check import CheckReport, Finding
from gradclip_cli.reports.stats_series import BesideWeights
from unit.render.html.made import Norms, named, run_of

NAN, INF = float("nan"), float("inf")
LAYERS = ["head", "h.0.a", "h.0.b", "h.1.a"]
NORMS = np.array([[3.0, 3.0, 3.0], [4.0, 8.0, NAN], [3.0, 6.0, 1.0], [0.0, 5.0, 12.0]])
WEIGHTS = np.array([[0.0, 6.0, 6.0], [8.0, 8.0, 8.0], [4.0, 4.0, NAN], [5.0, 5.0, 5.0]])


def found_in(
    norms: Norms = NORMS,
    weights: Norms = WEIGHTS,
    by: str = "layer",
    lr: float | None = None,
    findings: tuple[Finding, ...] = (),
    absent: np.ndarray | None = None,
) -> WeightRatios | None:
    """The ratios of a run with these norms of gradients and of weights (layers × steps)."""
    run = run_of(LAYERS, norms, lr=lr, beside=BesideWeights(named(LAYERS, norms), named(LAYERS, weights, absent)))
    with np.errstate(divide="ignore"):
        whole = np.hypot.reduce(norms) / np.hypot.reduce(weights)
    dumps = [
        dump._replace(ratio=ratio, update_ratio=lr and ratio and lr * ratio)
        for dump, ratio in zip(
            run.stats.dumps, [one if np.isfinite(one) else None for one in whole.tolist()], strict=True
        )
    ]
    check = CheckReport([*findings], len(dumps), [], [])
    return weight_ratios(run._replace(stats=run.stats._replace(dumps=dumps), check=check, by=by))


def finding(layer: str, first: int, last: int, block: str | None = "h.0") -> Finding:
    """A ratio that stands out at some steps."""
    where = f"run/{first // 10}.npz", first, layer, "weight"
    return Finding("ratio", *where, 9.0, 3.0, "", block, 2, [(first, last)], 12.0, None, None, "", "", "")


def test_ratios_are_norms_over_norms() -> None:
    """A ratio is |g| / |w|, times the learning rate if that is known; of blocks and kinds, the root of squares over that of squares."""
    layers, blocks, kinds = (found_in(by=by) for by in ("layer", "block", "kind"))
    updates = found_in(lr=0.1)
    assert layers is not None
    assert blocks is not None
    assert kinds is not None
    assert updates is not None
    assert layers.matrix.layers == ["h.0.a", "h.0.b", "h.1.a", "head"]
    assert layers.matrix.norms[0, :2].tolist() == [0.5, 1.0]
    np.testing.assert_allclose(updates.matrix.norms[1, :2], [0.075, 0.15], rtol=1e-15)
    np.testing.assert_allclose(blocks.matrix.norms[0, :2], np.hypot([4, 8], [3, 6]) / np.hypot(8, 4), rtol=1e-15)
    assert (blocks.matrix.layers, kinds.matrix.layers) == (["h.0", "h.1", "head"], ["h.*.a", "h.*.b", "head"])
    np.testing.assert_allclose(kinds.matrix.norms[0, :2], np.hypot([4, 8], [0, 5]) / np.hypot(8, 5), rtol=1e-15)
    assert (blocks.heat.rows.noun, kinds.heat.rows.noun, updates.middle) == ("block", "kind", 1e-3)


def test_what_has_no_ratio_is_told_apart() -> None:
    """Weights that are 0 or absent leave a cell empty; what is not finite on either side is NaN; a gradient of 0 has the ratio 0."""
    found = found_in(absent=np.array([[False] * 3, [False] * 3, [False] * 3, [False, False, True]]))
    assert found is not None
    assert found.matrix.present.tolist() == [[True] * 3, [True] * 3, [True, True, False], [False, True, True]]
    assert np.isnan(found.matrix.norms[[0, 1], 2]).all()
    assert found.matrix.norms[2, 0] == 0
    assert found_in(weights=np.zeros((4, 3))) is None
    assert weight_ratios(run_of(LAYERS, NORMS)) is None


def test_findings_are_dumps_and_rows() -> None:
    """Each dump that a finding counts is marked in the row of its layer, its block or its kind; one of the whole says so."""
    given = finding("h.0.b", 10, 20), finding("head", 0, 0, block=None)
    layers, kinds = found_in(findings=given), found_in(findings=given, by="kind")
    assert layers is not None
    assert kinds is not None
    assert [tuple(one) for one in layers.found] == [(1, 1, 4.0, False), (1, 2, 4.0, False), (3, 0, 4.0, True)]
    assert [one.row for one in kinds.found] == [1, 1, 2]


def test_the_words_and_the_table_have_the_figures() -> None:
    """The sentence has the whole and the layer of the largest median, the table a row for each layer; of one dump, its own."""
    found, one = found_in(findings=(finding("h.0.b", 10, 10),)), found_in(NORMS[:, 1:2], WEIGHTS[:, 1:2])
    assert found is not None
    assert one is not None
    assert sentence_of(found) == (
        "4 layers over 3 dumps: the ratio of the whole is median 0.772, largest 0.9749 at step 10; "
        "h.0.b has the largest median, 1.125; 1 dump with a ratio that stands out."
    )
    table = table_of(found)
    assert table.heads[-4:] == ["largest", "at step", "dumps that stand out", "dumps without"]
    assert table.rows[1] == ["h.0.b", "4", "1.125", "1.5", "10", "1", "1"]
    assert table_of(one).heads == ["layer", "|w|", "ratio"]
    assert table_of(one).rows[1] == ["h.0.b", "4", "1.5"]
