"""Tables hold whole names, and fit a terminal without losing a figure."""

import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import savez

from gradclip_cli import render, stats
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.render.view import View
from gradclip_cli.reports import LsReport, LsTensor
from unit.render.made import KINDS, LS, NAME, REPORTS, STATS, STRATEGIES, WIDE, Terminal, rendered


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
        savez(tmp_path / f"step_{k}.npz", **{f"{layer}.weight": np.array([1.5 + k / 8])})
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
