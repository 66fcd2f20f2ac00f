"""Reports become strict JSON and tables in which nothing is lost."""

import io
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradclip_cli import __version__, render, stats
from gradclip_cli.render.grid import figure
from gradclip_cli.render.view import View
from gradclip_cli.report import (
    ApplyDump,
    ApplyLayer,
    ApplyParam,
    ApplyReport,
    ApplyTotal,
    LsReport,
    LsTensor,
    StatsDump,
    StatsLayer,
    StatsParam,
    StatsReport,
    StrategiesReport,
    StrategyRow,
    Suggestion,
)
from gradclip_cli.thresholds.samples import NormSamples

NAME = "[red]lstm.weight_ih_l0" + "x" * 300
PARAM = ApplyParam(
    NAME, "lstm", "w", (2, 3), "float32", 6, 5.0, 1.0, math.inf, 0.1, 0.2, True, 6, 0, 0, 0, "clip-l2-per-layer", 1.0
)
LEFT_OUT = ApplyParam("ids", "ids", "", (2,), "int64", 2, *[None] * 5, False, 0, *[None] * 5)
LAYER = ApplyLayer("lstm", 1, 6, 5.0, 1.0, 0.2, True, "clip-l2-per-layer", 1.0, math.inf, 0.1, 1, None)
TOTAL = ApplyTotal(1, 6, math.nan, 1.0, -math.inf, 0.1, 1, 1, 6)
APPLY = ApplyReport(
    "clip-l2-per-layer",
    1.0,
    2.0,
    0.0,
    "error",
    [ApplyDump("in.npz", None, 7, TOTAL, [LAYER], [PARAM, LEFT_OUT], {})],
    ["a note"],
)
SUMMARY = NormSamples([1.0, 2.0, math.nan]).summary()
EMPTY = NormSamples([math.nan]).summary()
SUGGESTION = Suggestion("clip-by-global-norm", "mean", 2, 1.5, 0.5, 0.875, (0.75, 15.0), "a hint")
STATS = StatsReport(
    2.0,
    [StatsDump("a.npz", None, math.nan, 1 / 3, 2)],
    SUMMARY,
    [StatsLayer("lstm", SUMMARY)],
    [StatsParam(NAME, "lstm", "w", (2, 3), "float32", EMPTY)],
    [SUGGESTION],
    [],
    {},
    [[math.nan]],
    [],
    [],
)
LS = LsReport([LsTensor("a.npz", NAME, "lstm", "w", (), "bfloat16", 2)], {}, ["a note"])
WIDE = LsReport([LsTensor(f"run/{k}.npz", NAME, NAME, NAME, (), "float32", 10**k) for k in range(9)], {}, [])
STRATEGIES = StrategiesReport([StrategyRow("none", ("None",), "-", "unchanged", False, "DL4J")], [])
REPORTS: list[Any] = [APPLY, STATS, LS, STRATEGIES]
KINDS = frozenset({"total", "layer", "param", "step"})


def rendered(report: Any, format: str, kinds: frozenset[str] = KINDS) -> str:
    """The text of a report."""
    stream = io.StringIO()
    render.write(report, stream, View(format, kinds))
    return stream.getvalue()


def strict(text: str) -> Any:
    """Parse JSON, and nothing that only Python takes for JSON."""

    def refuse(constant: str) -> float:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("report", "name"), [(APPLY, "apply"), (STATS, "stats"), (LS, "ls"), (STRATEGIES, "strategies")]
)
def test_json_says_what_it_is(report: Any, name: str) -> None:
    """Every report is strict JSON under its schema and the version, and holds no notes."""
    tree = strict(rendered(report, "json"))
    assert list(tree)[:2] == ["schema", "version"]
    assert (tree["schema"], tree["version"]) == (f"gradclip.{name}/1", __version__)
    assert "notes" not in tree


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
    assert set(tree["layers"][0]) == figures | {"layer"}
    assert set(tree["params"][0]) == figures | {"name", "layer", "param", "shape", "dtype"}
    assert (tree["params"][0]["mean"], tree["params"][0]["nonfinite"]) == (None, 1)
    assert tree["suggestions"][0]["band"] == [0.75, 15]
    assert tree["dumps"] == [{"input": "a.npz", "step": None, "norm": "nan", "max_abs": 1 / 3, "nonfinite": 2}]


@pytest.mark.parametrize("value", [1 / 3, 5e-324, 1.7976931348623157e308, 0.1])
def test_json_numbers_read_back_the_same(value: float) -> None:
    """Numbers are written so that the same float64 is read."""
    report = APPLY._replace(threshold=value)
    assert strict(rendered(report, "json"))["threshold"] == value


@pytest.mark.parametrize("report", REPORTS[:3], ids=["apply", "stats", "ls"])
def test_tables_hold_whole_names(report: Any) -> None:
    """A table that goes into a pipe cuts no name, takes no name for markup, and needs no colour."""
    text = rendered(report, "table")
    assert NAME in text
    assert "…" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["evil\x1b[2J", "two\nlines", "turn\u202earound"])
def test_tables_escape_what_does_not_print(name: str) -> None:
    """Control characters in names from files are shown, not sent to the terminal."""
    text = rendered(LsReport([LS.tensors[0]._replace(name=name, layer=name)], {}, []), "table")
    assert not set(name) & set("\x1b\u202e") & set(text)
    assert name.encode("unicode_escape").decode() in text


@pytest.mark.parametrize(("kind", "title"), [("layer", "each layer"), ("param", "each param"), ("step", "each dump")])
def test_only_the_wanted_tables_are_shown(kind: str, title: str) -> None:
    """Of `stats` the tables are shown that were asked for."""
    assert title in rendered(STATS, "table", frozenset({kind}))
    assert title not in rendered(STATS, "table", KINDS - {kind})


def test_a_stream_that_is_not_utf_8_gets_ascii() -> None:
    """Lines are drawn in ASCII where the stream cannot say more."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    render.write(STRATEGIES, stream, View("table", KINDS))
    stream.flush()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return True


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal no line is wider than it, and the norms are still there."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    render.write(STATS, stream, View("table", frozenset({"layer"})))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("mean" in line and "max" in line for line in lines)


def test_what_stands_below_a_picture_is_folded_between_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that says what the marks of a histogram are is no wider than a terminal; into a pipe it is one."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    for k, norm in enumerate([1.0, 1.1, 0.9] * 4 + [200.0]):
        np.savez(tmp_path / f"step_{k}.npz", w=np.array([norm]))
    report, shown, piped = stats(tmp_path), Terminal(), io.StringIO()
    for stream in (shown, piped):
        render.write(report, stream, View("table", frozenset({"total"})))
    legend = "m median 1, 9 p90 1.1, M mean 16.31, T threshold by mean 16.31, A advised, mad:5 1.741"
    assert legend in piped.getvalue().splitlines()
    assert legend in " ".join(shown.getvalue().splitlines())
    assert max(len(line) for line in shown.getvalue().splitlines() if "gradclip apply" not in line) <= 60


def test_an_option_to_be_copied_is_never_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the name of a layer is, the option with its threshold stands on one line."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    layer = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default"
    for k in range(3):
        np.savez(tmp_path / f"step_{k}.npz", **{f"{layer}.weight": np.array([1.5 + k / 8])})
    stream = Terminal()
    render.write(stats(tmp_path), stream, View("table", frozenset({"layer"})))
    assert f"--layer '{layer}=:1.625'" in (line.strip() for line in stream.getvalue().splitlines())


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1137.9918, "1138"), (0.0, "0"), (1e-9, "1e-09"), (math.nan, "nan"), (-math.inf, "-inf")],
)
def test_figures_have_four_digits(value: float | None, text: str) -> None:
    """A figure in a table has four significant digits; what was not measured is a dash."""
    assert figure(value) == text


def test_every_format_of_the_registry_can_be_written() -> None:
    """Each registered output format renders each report."""
    assert all(rendered(report, format) for format in render.FORMATS for report in REPORTS)


def test_json_does_not_need_the_table_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants JSON pays for no tables."""
    for module in [
        name for name in sys.modules if name.partition(".")[0] == "rich" or name == "gradclip_cli.render.table"
    ]:
        monkeypatch.delitem(sys.modules, module)
    rendered(LS, "json")
    assert "rich" not in sys.modules


@pytest.mark.parametrize("term", ["dumb", "unknown", "xterm"])
@pytest.mark.parametrize("columns", [1, 20, 40, 60, 79, 100])
@pytest.mark.parametrize("report", [*REPORTS, WIDE], ids=lambda report: type(report).__name__)
def test_no_figure_is_cut(report: Any, columns: int, term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of any width and kind, what looks like a number is one that the full table has."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    render.write(report, stream, View("table", KINDS))
    shown, full = (
        {word for word in re.findall(r"[^\s|]+", text) if re.fullmatch(r"-?[\d.,]+(e[-+]\d+)?%?", word)}
        for text in (stream.getvalue(), rendered(report, "table"))
    )
    assert shown <= full
    assert (full and shown) or not full


@pytest.mark.parametrize("columns", [60, 70, 80, 90, 100, 120])
def test_long_names_leave_room_for_the_figures_behind_them(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the texts of a table are, its last columns of figures are whole and no line is too wide."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    layer = "model.layers.0.post_attention_layernorm"
    tensor = LsTensor("a", f"{layer}.weight", layer, "weight", (8, 8), "float32", 256)
    stream = Terminal()
    render.write(LsReport([tensor], {}, []), stream, View())
    heading, _, *rows = stream.getvalue().replace("|", " ").splitlines()[2:]
    assert heading.split()[-3:] == ["shape", "dtype", "bytes"]
    assert rows[0].split()[-3:] == ["8x8", "float32", "256"]
    assert max(map(len, stream.getvalue().splitlines())) <= columns
