"""Tables fit a terminal without losing a figure."""

import re
from typing import Any

import pytest

from gradclip_cli import render
from gradclip_cli.render.tables.grid import Column, Grid
from gradclip_cli.render.tables.terminal import lines
from gradclip_cli.render.view import View
from gradclip_cli.reports.listing import LsReport, LsTensor, StrategiesReport, StrategyRow
from gradclip_cli.strategies import STRATEGIES
from unit.render.made import APPLY, KINDS, LAYER, REPORTS, STATS, WIDE, Terminal, rendered


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


def test_many_tables_together_are_not_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all tables together have more rows than are fitted, each is written as into a pipe, though each alone is short."""
    monkeypatch.setenv("COLUMNS", "60")
    long = [LAYER._replace(layer=f"model.decoder.layers.{k}.self_attention.out_projection") for k in range(30)]
    for dumps, widest in ((2, 60), (80, 100)):
        report = APPLY._replace(dumps=[APPLY.dumps[0]._replace(layers=long)] * dumps)
        stream = Terminal()
        render.write(report, stream, View("table", frozenset({"layer"}), color=False))
        rows = [line for line in stream.getvalue().splitlines() if line.startswith("model.")]
        assert len(rows) == 30 * dumps
        assert (max(map(len, rows)) <= 60) == (widest == 60)


def test_texts_are_folded_between_words_and_figures_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is too wide goes on in the next line of its column, and the figures stand once, beside its first line."""
    monkeypatch.setenv("COLUMNS", "40")
    columns = (Column("name", text=True), Column("norm\nbefore"))
    rows = [("a" * 60, "1.5"), ("short", "22")]
    text = list(lines(Grid("title", columns, rows, ("total", "23.5")), 40, "-", False))
    assert text == [
        "title\n\n",
        f"name{' ' * 30}norm\n",
        f"{' ' * 32}before\n",
        f"{'-' * 38}\n",
        f"{'a' * 30}{' ' * 5}1.5\n",
        f"{'a' * 30}\n",
        f"short{' ' * 31}22\n",
        f"{'-' * 38}\n",
        f"total{' ' * 29}23.5\n",
        "\n",
    ]


def test_headings_are_bold_in_colour() -> None:
    """Titles and headings are bold where colour is wanted, and nothing else is."""
    grid = Grid("title", (Column("name", text=True),), [("a",)])
    assert list(lines(grid, 40, "-", True)) == [
        "\x1b[1mtitle\x1b[0m\n\n",
        "\x1b[1mname\x1b[0m\n",
        "----\n",
        "a\n",
        "\n",
    ]


def test_names_of_other_trainers_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user asks `strategies` for, the names that frameworks give them, stays where sources do not fit."""
    monkeypatch.setenv("COLUMNS", "80")
    rows = [StrategyRow(s.name, s.aliases, s.group.value, s.rule, s.takes_threshold, s.source) for s in STRATEGIES]
    stream = Terminal()
    render.write(StrategiesReport(rows, []), stream, View("table", frozenset()))
    text = stream.getvalue()
    assert all(name in text for name in ("also accepted", "clip_grad_norm_", "max_grad_norm", "agc,"))
    assert "source" not in text
