"""Norms far above their neighbours are found once, with what leads them; what comes down, or is at the limit, is not."""

import math
from pathlib import Path

import numpy as np
from support.findings import Seen, seen, series

from gradclip_cli import check
from unit.checks.made import Found, Silent, judging_tests, norms

FOUND: Found = {
    "above 5 medians": (norms(1, 1, 1, 1, 5.1), {}, [Seen("exploding", 5, "fc", "w")]),
    "above 2 medians": (norms(1, 1, 1, 3.1, 1), {"exploding_factor": 2.0}, [Seen("exploding", 4, "fc", "w")]),
    "three dumps": (norms(1, 11, 1), {"exploding_dumps": 3}, [Seen("exploding", 2, "fc", "w")]),
    "one of ten": (
        norms(1, 1, 1, 1, 20, **{f"l{k}.w": 1.0 for k in range(9)}),
        {"ignore": ["unchanged"]},
        [Seen("exploding", 5, "fc", "w")],
    ),
    "stays exploded": (norms(1, 1.1, 1.2, 1e6, 1e6, 1e6, 1e6, 1e6), {}, [Seen("exploding", 4, "fc", "w")]),
    "explodes early on": (norms(1, 1.1, 1.2, 50, 60, 50, 60), {}, [Seen("exploding", 4, "fc", "w")]),
    "doubles": (
        norms(*(2.0**k for k in range(12))),
        {},
        [Seen("exploding", 6, "fc", "w"), Seen("growing", 3, None, None)],
    ),
    "in a run that falls": (
        norms(*(1.6 if k == 40 else 0.2 + 8 * 0.8**k for k in range(45))),
        {},
        [Seen("exploding", 41, "fc", "w")],
    ),
    "alternates": (norms(*(1e3 if k % 2 else 1.0 for k in range(10))), {}, [Seen("exploding", 2, "fc", "w")]),
    "a small layer in a large dump": (
        norms(4, 4, 4, 4, 45, **{"big.w": 100.0}),
        {},
        [Seen("exploding", 5, "fc", "w")],
    ),
    "a layer of two": (
        [{"a.w": [100.0 + k], "b.w": [1.0 + k * 0.01], "b.b": [30.0 if k == 5 else 1.0]} for k in range(7)],
        {"ignore": ["dominated", "unchanged"]},
        [Seen("exploding", 6, "b", "b")],
    ),
    "a tensor in a large layer": (
        [{"a.w": [10.0 + k], "a.b": [40.0 if k == 5 else 1 + k * 0.01]} for k in range(7)],
        {},
        [Seen("exploding", 6, "a", "b")],
    ),
    "a layer that some dumps lack": (
        [{"a.w": [100.0 + k], **({"b.w": [30.0 if k == 11 else 1 + k * 0.01]} if k > 5 else {})} for k in range(12)],
        {"ignore": ["dominated"], "allow_missing": True},
        [Seen("exploding", 12, "b", "w")],
    ),
}

SILENT: Silent = {
    "5 medians": (norms(1, 1, 1, 1, 5), {}),
    "four dumps": (norms(1, 1, 1, 100), {}),
    "coming down": (norms(1000, 300, 40, 30, 1.2, 1.1, 1.3, 1.2, 1.1, 1.0, 1.1), {}),
    "rounding beside a large dump": (
        norms(4, 4, 4, 4, 90, **{"big.w": 1e8}),
        {"ignore": ["dominated", "spread", "vanishing", "unchanged"]},
    ),
    "a layer that holds a hundredth of the square": (
        [{"a.w": [300.0 + k], "b.w": [30.0 if k == 5 else 1.0 + k * 0.01]} for k in range(7)],
        {"ignore": ["dominated", "unchanged"]},
    ),
    "coming down from the first steps on": (norms(*(2.0**-k for k in range(12))), {}),
    "higher at a plateau": (norms(1, 1.1, 1, 4.9, 4.8, 4.9, 4.7, 4.9), {}),
    "the very first two": (norms(0.01, 0.01, 1, 1.1, 1, 1, 1.1, 1), {}),
    "zeros at first": (norms(0, 0, 1, 1, 1, 1, 1, 1), {"ignore": ["dead"]}),
    "small at the very first step": (norms(0.01, 1, 1.1, 1, 1, 1.1, 1), {}),
    "two layers taking turns": (
        [{"a.w": [4.0 + k % 2], "b.w": [5.0 - k % 2]} for k in range(8)],
        {"ignore": ["unchanged"]},
    ),
}


test_found, test_silent = judging_tests(FOUND, SILENT)


def test_values_and_limits(tmp_path: Path) -> None:
    """A finding tells the value that was judged and the limit that it was judged by."""
    [one] = check(series(tmp_path, norms(1, 2, 3, 4, 60))).findings
    assert (one.value, one.limit) == (60.0, 12.5)
    assert one.message.startswith(
        "the norm of the dump is 60, 24 x its neighbours, 100 % of its square in this tensor: clip"
    )


def test_an_explosion_names_what_leads_it(tmp_path: Path) -> None:
    """A dump that explodes is one finding, of the tensor with the largest norm, with all steps at which that leads."""
    calm = {"a.w": [1.0], "b.w": [1.1]}
    wild = {"a.w": [30.0], "b.w": [40.0]}
    [one] = check(series(tmp_path, [calm, calm, wild, calm, calm, wild]), ignore=["unchanged"]).findings
    assert (one.step, one.layer, one.value) == (3, "b", 50.0)
    assert "64 % of its square" in one.message
    assert one.message.endswith("(in 2 of 6 dumps: step 3, step 6)")


def test_an_explosion_above_the_largest_number_has_no_share(tmp_path: Path) -> None:
    """Where no float64 holds the norm of a dump, or even that of a tensor, its share is left out, and nothing warns."""
    calm, wild = {"a.w": [1.0], "b.w": [1.1, 1.1]}, {"a.w": [1.0], "b.w": [1.7e308, 1.7e308]}
    [one] = [one for one in check(series(tmp_path, [calm] * 4 + [wild])).findings if one.rule == "exploding"]
    assert (one.layer, one.value) == ("b", math.inf)
    assert "is inf, inf x its neighbours, the largest part of it in this tensor; first b (inf x)" in one.message


def test_a_dump_with_nan_counts_in_no_median(tmp_path: Path) -> None:
    """Norms that are not finite are no neighbours, and do not count in the number of dumps that are needed."""
    values = [1, 1, 1, 1, np.nan, 11]
    assert [one.rule for one in seen(series(tmp_path, norms(*values)))] == [
        "nonfinite",
        "exploding",
    ]
    assert [one.rule for one in seen(tmp_path, exploding_dumps=6)] == ["nonfinite"]


def test_what_stays_exploded_is_told_by_the_dumps_before(tmp_path: Path) -> None:
    """Where most dumps explode they are compared with the calm ones before them, made up to 5, and all of them are told."""
    [one] = check(series(tmp_path, norms(1, 2, 3, 80, 90, 100, 90, 80, 85))).findings
    assert (one.value, one.limit) == (80, 15)  # 1, 2, 3, 90, 100; at last, 1, 2, 3: there is nothing after
    assert "27 x its neighbours (at worst 42 x)" in one.message
    assert one.message.endswith("(in 6 of 9 dumps: step 4 to step 9)")


def test_a_dump_that_explodes_is_not_told_again_for_its_layers(tmp_path: Path) -> None:
    """Layers that explode with the whole dump are no findings of their own; one that explodes in another dump is."""
    dumps = [{f"{layer}.w": [1 + k * 0.01] for layer in "abc"} for k in range(9)]
    dumps[5] = {f"{layer}.w": [1e3] for layer in "abc"}
    dumps[7] = {**dumps[7], "b.w": [11.5]}
    found = check(series(tmp_path, dumps), exploding_factor=11).findings
    assert [(one.rule, one.step, one.layer) for one in found] == [("exploding", 6, "a"), ("exploding", 8, "b")]


def test_many_layers_may_explode_where_the_dump_does_not(tmp_path: Path) -> None:
    """Of 100 equal layers, one that comes to 5.2 times its norm holds a fifth of the square; 60 that do hold less each, and are told.

    The dump rises by √(0.4 + 0.6 · 5.2²) = 4.1 only.
    """
    for many in (1, 60):
        dumps = [{f"l{k}.w": [1 + 0.01 * step] for k in range(100)} for step in range(12)]
        dumps[9] |= {f"l{k}.w": [5.2 * 1.05] for k in range(many)}
        (tmp_path / str(many)).mkdir()
        found = check(series(tmp_path / str(many), dumps), ignore=["unchanged"]).findings
        assert [(one.step, one.layer) for one in found] == [(10, f"l{k}") for k in range(many)]


def test_a_layer_of_many_may_hold_little(tmp_path: Path) -> None:
    """Of 250 equal layers, one at 5 to 6 times its norm is found; one of a quarter of their size holds 0.8 % then, and is not."""
    for size, count in ((1.0, 1), (0.25, 0)):
        dumps = [{f"l{k}.w": [1 + 0.001 * step] for k in range(250)} for step in range(12)]
        for step, dump in enumerate(dumps):
            dump["l7.w"] = [size * (5.7 if step == 9 else 1 + 0.001 * step)]
        (tmp_path / str(count)).mkdir()
        found = check(series(tmp_path / str(count), dumps), ignore=["unchanged"]).findings
        assert [(one.step, one.layer) for one in found] == [(10, "l7")] * count


def test_what_rose_first_is_named(tmp_path: Path) -> None:
    """The block that stood high before the dump exploded is named, with its step and how high it was; its layers are one block."""
    dumps = [{f"layers.{k}.{part}.w": [1 + 0.01 * step] for k in range(5) for part in "ab"} for step in range(12)]
    dumps[9] |= {"layers.3.a.w": [8.0], "layers.3.b.w": [9.0]}
    dumps[10] = {name: [30.0] for name in dumps[10]}
    found = check(series(tmp_path, dumps), ignore=["unchanged"]).findings
    [one] = [one for one in found if one.step == 11]
    assert "; first layers.3 at step 10 (8.2 x): clip" in one.message
    assert {(one.step, one.layer) for one in found} == {(11, "layers.0.a"), (10, "layers.3.a"), (10, "layers.3.b")}


def test_a_dump_whose_blocks_rise_together_says_so(tmp_path: Path) -> None:
    """Where no block is ahead of the others, none is named; a dump of one block names none either."""
    dumps = [{f"layers.{k}.w": [1 + 0.01 * step] for k in range(5)} for step in range(9)]
    dumps[7] = {name: [30.0] for name in dumps[7]}
    for name in ("five", "one"):
        (tmp_path / name).mkdir()
    [one] = check(series(tmp_path / "five", dumps), ignore=["unchanged"]).findings
    assert "20 % of its square in this tensor; all blocks rise together: clip" in one.message
    [one] = check(series(tmp_path / "one", norms(1, 1.1, 1, 1, 1, 60))).findings
    assert "in this tensor: clip" in one.message
