"""Norms of blocks and layers are reported step by step, whole."""

import math

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.reports.stats import StatsReport
from unit.commands.stats.made import series_of

STEPS = ({"h.0.a": [3.0], "h.0.b.w": [4.0], "x.w": [1.0]}, {"h.0.a": [6.0], "h.0.b.w": [8.0], "x.w": [math.nan]})


def test_a_row_for_each_block_and_layer() -> None:
    """A row of norms belongs to each name, a column to each step, in the order of the dumps."""
    series = series_of(*STEPS).series
    assert series is not None
    assert series.blocks is not None
    assert series.layers is not None
    assert list(series.steps) == [0, 1]
    assert list(series.blocks.names) == ["h.0", "x"]
    assert list(series.blocks.norms[0]) == [5.0, 10.0]
    assert list(series.layers.names) == ["h.0", "h.0.b", "x"]
    assert list(map(repr, series.layers.norms[2])) == ["1.0", "nan"]
    assert series.size == 10


def test_the_rows_of_blocks_have_their_tensors() -> None:
    """A block has the number of its tensors, and the summary of its norms."""
    first, second = series_of(*STEPS).blocks
    assert (first.block, first.tensors, first.summary.mean) == ("h.0", 2, 7.5)
    assert (second.block, second.summary.count, second.summary.nonfinite) == ("x", 1, 1)


def test_blocks_that_are_layers_are_written_once() -> None:
    """Where each layer is a block of its own, `blocks` is None in the series, and its rows are those of the layers."""
    found = series_of({"a.w": [1.0], "b.w": [2.0]}, {"a.w": [1.0], "b.w": [3.0]})
    assert found.series is not None
    assert found.series.blocks is None
    assert found.blocks_are_layers
    assert [(row.block, row.summary.mean) for row in found.blocks] == [("a", 1.0), ("b", 2.5)]


def test_one_dump_has_no_series() -> None:
    """A single dump has nothing step by step."""
    assert series_of(STEPS[0]).series is None


def test_a_row_for_each_layer_and_step() -> None:
    """Rows go layer by layer; what a dump has not is None."""
    plan = StatsPlan((single("a"),), allow_missing=True)
    found = series_of({"a.w": [3.0]}, {"b.w": [4.0]}, plan=plan)
    assert [tuple(row) for row in found.layer_steps] == [
        ("step0.npz", 0, "a", 3.0),
        ("step1.npz", 1, "a", None),
        ("step0.npz", 0, "b", None),
        ("step1.npz", 1, "b", 4.0),
    ]
    assert [row.block for row in found.block_steps] == ["a", "a", "b", "b"]


def long(report: StatsReport, kinds: set[str]) -> tuple[bool, bool, list[str]]:
    """Whether JSON of a series that is too long has blocks and layers, and its kinds of notes."""
    found = report.for_json(kinds)
    series = found.series
    return (
        series is not None and series.blocks is not None,
        series is not None and series.layers is not None,
        [note.kind for note in found.notes],
    )


def test_a_long_series_is_in_json_only_if_asked_for(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Above the limit norms by step are left out with a note, but for the kinds that the user asked for."""
    report = series_of(*STEPS)
    assert report.for_json(set()) is report
    monkeypatch.setattr("gradclip_cli.reports.stats.MOST_NORMS", 9)
    assert long(report, set()) == (False, False, ["series"])
    assert long(report, {"block"}) == (True, False, [])
    assert long(report, {"layer"}) == (False, True, [])
    assert "10 norms by step are left out of JSON" in report.for_json(set()).notes[0].text
    own = series_of({"a.w": [1.0]}, {"a.w": [1.0]})
    monkeypatch.setattr("gradclip_cli.reports.stats.MOST_NORMS", 1)
    assert long(own, {"block"}) == (False, True, [])
