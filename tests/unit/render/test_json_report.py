"""Reports become strict JSON: one object, or one object a row."""

import json
import math
from itertools import product
from typing import Any

import pytest
from support.parsing import strict

from gradclip_cli import __version__
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.json_report import encode_row
from gradclip_cli.render.records import plain
from gradclip_cli.render.view import View
from gradclip_cli.reports.diff import DiffParam
from gradclip_cli.reports.stats import StatsLayer
from gradclip_cli.reports.stats_series import NamedNorms, NormSeries
from gradclip_cli.thresholds.samples import NormSamples
from unit.render.made import (
    APPLY,
    EMPTY,
    FINDINGS,
    LAYER,
    LS,
    NAME,
    PARAM,
    STATS,
    STRATEGIES,
    SUMMARY,
    Finding,
    rendered,
    rows,
    written,
)

TEXTS = ["", "w", 'a"b\\', "权重.第一层", "lone\udc80", "evil\x1b[2J", "%s %d", "😀"]
FLOATS = [0.0, -0.0, 1 / 3, 5e-324, 1e16, 1e22, -1.5, math.nan, math.inf, -math.inf]
VALUES: list[Any] = [
    *TEXTS,
    *FLOATS,
    None,
    True,
    False,
    0,
    -1,
    2**70,
    (),
    (2, 3),
    (1.5, math.inf),
    (True, 1),
    ["a", "b"],
    [],
    {"l": 0.5},
]
_TABLES: tuple[Any, ...] = (STATS[1], LS[0], STRATEGIES[0])
ROWS: list[Any] = [
    *(Finding("r", 1, value, [value]) for value in VALUES),
    *(PARAM._replace(name=name, norm_before=value) for name, value in zip(TEXTS, FLOATS, strict=False)),
    *(StatsLayer(name, summary) for name, summary in product(TEXTS, (SUMMARY, EMPTY, NormSamples([2.0]).summary()))),
    *(row for rows in _TABLES for row in rows),
    *(LAYER, *STATS.params, *STATS.suggestions, DiffParam("w", "same"), DiffParam("w", "differs", 1.0, shape_a=(2,))),
]


@pytest.mark.parametrize(
    ("report", "name"), [(APPLY, "apply"), (STATS, "stats"), (LS, "ls"), (STRATEGIES, "strategies")]
)
def test_json_says_what_it_is(report: Any, name: str) -> None:
    """Every report is strict JSON under its schema and the version."""
    tree = strict(rendered(report, "json"))
    assert list(tree)[:2] == ["schema", "version"]
    assert (tree["schema"], tree["version"]) == (f"gradclip.{name}/1", __version__)


def test_json_of_apply() -> None:
    """The report of `apply` has the fields and the values that scripts depend on."""
    tree = strict(rendered(APPLY, "json"))
    dump = tree["dumps"][0]
    assert (tree["strategy"], tree["threshold"], tree["norm_type"], tree["epsilon"], tree["nonfinite"]) == (
        "clip-l2-per-layer",
        1,
        2,
        0,
        "error",
    )
    assert (dump["input"], dump["output"], dump["step"]) == ("in.npz", None, 7)
    assert dump["total"] == {
        "tensors": 1, "elements": 6, "norm_before": "nan", "norm_after": 1, "max_abs_before": "-inf", "max_abs_after": 0.1,
        "groups": 1, "clipped_groups": 1, "clipped_elements": 6,
        "mean_factor": None, "underflowed": 0, "overflowed": 0, "replaced": 0, "finite_norm_before": None, "skipped_groups": 0,
    }  # fmt: skip
    assert dump["layers"] == [
        {
            "layer": "lstm", "params": 1, "elements": 6, "norm_before": 5, "norm_after": 1, "factor": 0.2, "clipped": True,
            "strategy": "clip-l2-per-layer", "threshold": 1,
        }
    ]  # fmt: skip
    assert dump["params"][0]["name"] == NAME
    assert dump["params"][0]["shape"] == [2, 3]
    assert dump["params"][0]["max_abs_before"] == "inf"
    assert dump["params"][1]["norm_before"] is None
    assert dump["params"][1]["factor"] is None


def test_json_of_stats_has_summaries_among_the_fields() -> None:
    """The figures of a summary stand beside the name of what they are of; a figure of no samples is null."""
    tree = strict(rendered(STATS, "json"))
    figures = {"count", "nonfinite", "mean", "std", "median", "mad", "min", "max", "p90", "p95", "p99"}
    assert set(tree["total"]) == figures
    beside = {"weight_norm", "ratio", "update_ratio"}
    assert set(tree["layers"][0]) == figures | beside | {"layer"}
    assert set(tree["params"][0]) == figures | beside | {"name", "layer", "param", "shape", "dtype"}
    assert (tree["params"][0]["mean"], tree["params"][0]["nonfinite"]) == (None, 1)
    assert tree["suggestions"][0]["band"] == [0.75, 15]
    dump = {"input": "a.npz", "step": None, "norm": "nan", "max_abs": 1 / 3, "nonfinite": 2}
    assert tree["dumps"] == [dump | dict.fromkeys(beside)]


@pytest.mark.parametrize("value", [1 / 3, 5e-324, 1.7976931348623157e308, 0.1])
def test_json_numbers_read_back_the_same(value: float) -> None:
    """Numbers are written so that the same float64 is read."""
    report = APPLY._replace(threshold=value)
    assert strict(rendered(report, "json"))["threshold"] == value


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_the_fast_way_is_the_slow_way(row: Any) -> None:
    """A row is encoded as the library encodes it, byte for byte."""
    assert encode_row(row) == json.dumps(plain(row), allow_nan=False)


def test_ndjson_is_what_the_library_writes() -> None:
    """Each line is what the library makes of the record, under any choice of columns."""
    report: Any = FINDINGS._replace(findings=[Finding(name, 1, value, []) for name, value in product(TEXTS, FLOATS)])
    for chosen in ((), ("value",), ("rule", "value"), ("flags", "step")):
        expected = [{name: plain(getattr(row, name)) for name in chosen or row._fields} for row in report.findings]
        text = written(report, View("ndjson", columns=chosen))
        assert text == "".join(f"{json.dumps(row)}\n" for row in expected)


def test_sections_that_were_not_asked_for_are_left_out() -> None:
    """What was tried is no key of the JSON unless something was; a threshold that is not there is null."""
    assert "tries" not in strict(rendered(STATS, "json"))
    assert strict(rendered(STATS._replace(tries=[]), "json"))["tries"] == []
    assert strict(rendered(APPLY._replace(threshold=None), "json"))["threshold"] is None


def test_what_only_tables_show_is_left_out() -> None:
    """Neither JSON nor csv has what a row marks as its own for tables."""
    [layer] = strict(rendered(APPLY, "json"))["dumps"][0]["layers"]
    assert not {"peak_before", "peak_after", "params_clipped", "limited"} & set(layer)
    assert not {"peak_before", "peak_after", "params_clipped", "limited"} & set(rows(APPLY)[0])


def test_norms_by_step_are_written_row_by_row() -> None:
    """The norms of each layer stand on a line, null where there is none, and strings where they are not finite."""
    rows = LazyRows(lambda k: [[1.0, None], [math.nan, math.inf]][k], range(2))
    series = NormSeries([0, None], None, NamedNorms(["a", "b"], rows))
    text = written(STATS._replace(series=series), View("json"))
    assert strict(text)["series"] == {
        "steps": [0, None],
        "blocks": None,
        "layers": {"names": ["a", "b"], "norms": [[1.0, None], ["nan", "inf"]]},
    }
    assert "[1.0, null]," in [line.strip() for line in text.splitlines()]
