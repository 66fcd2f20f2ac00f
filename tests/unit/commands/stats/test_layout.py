"""The tensors of a series are those of its first dump, or with `allow_missing` of all dumps; layers are in natural order."""

from collections.abc import Sequence

import numpy as np
import pytest

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.reports.stats import StatsReport
from unit.commands.stats.made import series_of

MISSING = StatsPlan((single("a"),), allow_missing=True)


def layer_norms(found: StatsReport) -> Sequence[Sequence[float | None]]:
    """The norms of each layer, step by step."""
    assert found.series is not None
    assert found.series.layers is not None
    return found.series.layers.norms


def test_dumps_that_differ_count_what_they_have() -> None:
    """With `allow_missing` a tensor that a dump lacks adds nothing there and is no sample; a note names what is missing."""
    found = series_of({"l.a": [3.0], "l.b": [4.0]}, {"l.a": [6.0], "k.c": [8.0]}, plan=MISSING)
    assert [dump.norm for dump in found.dumps] == [5.0, 10.0]
    assert [(row.name, row.summary.count, row.summary.mean) for row in found.params] == [
        ("k.c", 1, 8.0),
        ("l.a", 2, 4.5),
        ("l.b", 1, 4.0),
    ]
    assert [(row.layer, row.summary.count, row.summary.mean) for row in found.layers] == [("k", 1, 8.0), ("l", 2, 5.5)]
    assert [row.samples for row in found.suggestions] == [4, 3, 4, 2]
    assert [list(row) for row in layer_norms(found)] == [[None, 8.0], [5.0, 6.0]]
    assert [note.text for note in found.notes] == [
        "step0.npz: 2 of 3 tensors missing in some dumps, where they add nothing: k.c, l.b"
    ]


def test_what_is_missing_is_not_nan() -> None:
    """A tensor with NaN is a sample that is not finite; one that is missing is none at all."""
    found = series_of({"a": [np.nan], "b": [1.0]}, {"b": [2.0]}, {"a": [2.0], "b": [3.0]}, plan=MISSING)
    assert [(row.name, row.summary.count, row.summary.nonfinite) for row in found.params] == [("a", 1, 1), ("b", 3, 0)]
    assert (found.total.count, found.total.nonfinite) == (2, 1)


def test_a_dump_without_gradients_is_no_sample_among_others() -> None:
    """A dump that has nothing of a group is no sample of it, be the group the whole dump; alone, its norm is 0."""
    found = series_of({"a": [3.0]}, {}, {"a": [5.0]}, plan=MISSING)
    assert ([dump.norm for dump in found.dumps], found.total.count, found.total.mean) == ([3.0, 0.0, 5.0], 2, 4.0)
    assert series_of({}, {}, plan=MISSING).total.count == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_layers_are_those_of_a_dump_with_all_tensors(order: tuple[int, ...]) -> None:
    """`enc_w` and `enc_b` make the layer `enc`, though some dump has one of them only, and the first of others its own."""
    steps = {"enc_w": [3.0], "a.w": [1.0]}, {"enc_b": [4.0]}, {"enc_w": [3.0], "enc_b": [4.0]}
    found = series_of(*(steps[k] for k in order), plan=MISSING)
    assert [row.layer for row in found.layers] == ["a", "enc"]
    expected = dict(zip((0, 1, 2), (3.0, 4.0, 5.0), strict=True))
    assert list(layer_norms(found)[1]) == [expected[k] for k in order]


def test_layers_are_in_natural_order_over_all_dumps() -> None:
    """A layer that comes later stands where it belongs, with the tensors of a layer side by side."""
    found = series_of({"l.10.w": [1.0]}, {"l.2.w": [1.0], "l.10.b": [1.0]}, plan=MISSING)
    assert [row.layer for row in found.layers] == ["l.2", "l.10"]
    assert [row.name for row in found.params] == ["l.2.w", "l.10.w", "l.10.b"]


def test_an_include_may_match_in_a_later_dump() -> None:
    """With `allow_missing` a pattern has to match in one dump, whichever that is."""
    steps = {"a": [1.0]}, {"a": [1.0], "b": [2.0]}
    plan = StatsPlan((single("a"),), allow_missing=True, selection=Selection(("b",)))
    assert series_of(*steps, plan=plan).notes
    with pytest.raises(UsageError, match="--include zz matches no tensor"):
        series_of(*steps, plan=StatsPlan((single("a"),), allow_missing=True, selection=Selection(("zz",))))


def test_a_shape_that_changes() -> None:
    """With `allow_missing` a tensor may change its shape, which a note says; it has no single one then."""
    found = series_of({"a": [3.0], "b": [1.0]}, {"a": [3.0, 4.0], "b": [1.0]}, plan=MISSING)
    assert [(row.name, row.shape, row.summary.mean) for row in found.params] == [("a", None, 4.0), ("b", (1,), 1.0)]
    assert [note.text for note in found.notes] == [
        "step1.npz: has other shapes than earlier dumps: a is (2,), not (1,)"
    ]


def test_wrappers_do_not_tell_tensors_apart() -> None:
    """Dumps of a run that was wrapped later are of the same tensors, under the names of the first dump."""
    plain, wrapped = {"enc.w": [3.0], "b": [4.0]}, {"module.enc.w": [6.0], "module._orig_mod.b": [8.0]}
    for plan in (None, MISSING):
        found = series_of(plain, wrapped, plan=plan)
        assert [dump.norm for dump in found.dumps] == [5.0, 10.0]
        assert [(row.name, row.layer, row.summary.mean) for row in found.params] == [
            ("b", "b", 6.0),
            ("enc.w", "enc", 4.5),
        ]
        assert [note.kind for note in found.notes] == ["wrappers"]
