import json

import numpy as np

from gradclip_cli.render.html.weights import picture
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats_series import BesideWeights
from unit.render.html.made import Norms, cells_in, named, run_of
from unit.render.html.test_weight_ratios import finding

LAYERS = ["h.0.a", "h.0.b", "head"]


def run(ratios: Norms, lr: float | None = None) -> RunReport:
    """A run whose layers have these ratios (layers × steps), and weights of norm 1; that of the whole is the largest."""
    beside = BesideWeights(named(LAYERS, ratios), named(LAYERS, np.where(ratios < 0, 0.0, 1.0)))
    made = run_of(LAYERS, ratios, lr=lr, beside=beside)
    whole = [one if np.isfinite(one) else None for one in ratios.max(axis=0).tolist()]
    dumps = [
        dump._replace(weight_norm=1.0, ratio=ratio, update_ratio=lr and ratio and lr * ratio)
        for dump, ratio in zip(made.stats.dumps, whole, strict=True)
    ]
    return made._replace(stats=made.stats._replace(dumps=dumps))


STEPS = np.array([[0.1, 0.2, 0.1, np.nan], [1.0, 1.0, 10.0, 1.0], [-1.0, 0.0, 1.0, 1.0]])


def test_update_ratios_stand_beside_what_people_look_for() -> None:
    """With a learning rate, 1e-3 is a dashed line in the line of the whole, and in the middle of the colours of the map."""
    found = picture(run(STEPS, lr=1e-3))
    assert found is not None
    line, heat = found.alone["vconcat"]
    assert found.title == "Update ratios over steps"
    assert {"usual": 0.001} in [one["data"]["values"][0] for one in line["layer"]]
    assert cells_in(heat) == [[-100, -70, -100, 99_999], [0, 0, 100, 0], [None, -99_998, 0, 0]]
    assert "empty: weights of 0, or none" in heat["title"]["subtitle"][1]


def test_ratios_without_a_learning_rate_stand_beside_their_median() -> None:
    """Without one there is no line, and the median of all ratios is in the middle of the colours; other pictures may be missing."""
    found = picture(run(STEPS))
    assert found is not None
    line, heat = found.alone["vconcat"]
    assert "usual" not in json.dumps(line)
    assert cells_in(heat)[1] == [0, 0, 100, 0]
    assert '"param"' not in json.dumps(found.alone)
    assert '"param": "zoom"' in json.dumps(found.linked[0])


def test_what_check_finds_has_a_ring() -> None:
    """A dump whose ratio stands out has a ring: of the whole in the line, of a layer in its row."""
    given = run(STEPS)
    findings = [finding("h.0.b", 20, 20), finding("h.0.b", 10, 10, block=None)]
    found = picture(given._replace(check=CheckReport(findings, 4, [], [])))
    assert found is not None
    line, heat = (json.dumps(one) for one in found.alone["vconcat"])
    assert '"values": [{"at": 10, "ratio": 1.0, "where": "10"}]' in line
    assert '"row": "h.0.b", "at": 20, "says": "h.0.b at step 20"' in heat
    assert "Ring: check finds that it stands out." in line


def test_of_one_dump_each_layer_is_a_point() -> None:
    """One dump has a point for each layer with a ratio, a sign for each without, and lines for the whole and what is usual."""
    found = picture(run(np.array([[0.5], [np.inf], [0.0]]), lr=1e-3))
    assert found is not None
    points, signs = found.alone["layer"][-2:]
    assert [(one["row"], one["ratio"]) for one in points["data"]["values"]] == [("h.0.a", 0.0005)]
    assert [(one["row"], one["sign"]) for one in signs["data"]["values"]] == [("h.0.b", "✕"), ("head", "0")]
    assert found.title == "Update ratios"


def test_a_dump_that_is_not_finite_has_a_cross_and_one_without_weights_a_gap() -> None:
    """The line breaks off at both; what is missing is no fault, and has no sign."""
    given = run(np.array([[1.0, np.nan, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    *dumps, last = given.stats.dumps
    without = last._replace(weight_norm=None, ratio=None)
    found = picture(given._replace(stats=given.stats._replace(dumps=[*dumps, without])))
    assert found is not None
    layers = found.alone["vconcat"][0]["layer"]
    (crosses,) = (one["data"]["values"] for one in layers if one["mark"].get("text") == "✕")
    assert [one["at"] for one in crosses] == [10]
    assert layers[1]["data"]["values"][0]["ratio"] == [1.0, None, None]
