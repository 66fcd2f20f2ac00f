"""Each rule finds what is beyond its limit, is silent at the limit and below, and is not misled by what is healthy."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.findings import Arrays, Seen, seen, series
from support.matrices import crossed

from gradclip_cli import check
from gradclip_cli.checks import NAMES, parse_names
from gradclip_cli.checks.limits import Limits
from gradclip_cli.checks.registry import CHECKS
from gradclip_cli.errors import UsageError

SUFFIXES = (".safetensors", ".h5", ".npz")
TINY16 = np.array([2.0**-15, 2.0**-15, 2.0**-15, 1.0], np.float16)  # subnormal below 2^-14


def norms(*values: float, **others: float) -> list[Arrays]:
    """Return dumps of a layer `fc` with these norms, beside others of the same norm throughout; no two dumps are alike."""
    signs = (1 - 2 * (k % 2) for k in range(len(values)))
    steps = zip(signs, values, strict=True)
    return [
        {"fc.w": [sign * float(value)], **{name: [sign * other] for name, other in others.items()}}
        for sign, value in steps
    ]


def steady(*values: float) -> list[Arrays]:
    """Return dumps of a layer `fc` with these values."""
    return [{"fc.w": [float(value)]} for value in values]


def ramp(count: int, low: float, high: float) -> Arrays:
    """Return layers `layers.0` to `layers.N`, of which the first has the norm `low` and the others `high`."""
    return {f"layers.{k}.w": [high if k else low] for k in range(count)}


FOUND: dict[str, tuple[Sequence[Arrays], dict[str, Any], list[Seen]]] = {
    "NaN": ([{"a.w": [1.0]}, {"a.w": [np.nan]}], {}, [Seen("nonfinite", 2, "a", "w")]),
    "-Inf": ([{"a.w": [1.0, -np.inf]}], {}, [Seen("nonfinite", 1, "a", "w")]),
    "above 10 medians": (norms(1, 1, 1, 1, 10.1), {}, [Seen("exploding", 5, "fc", "w")]),
    "above 2 medians": (norms(1, 1, 1, 3.1, 1), {"exploding_factor": 2.0}, [Seen("exploding", 4, "fc", "w")]),
    "three dumps": (norms(1, 11, 1), {"exploding_dumps": 3}, [Seen("exploding", 2, "fc", "w")]),
    "one of ten": (
        norms(1, 1, 1, 1, 20, **{f"l{k}.w": 1.0 for k in range(9)}),
        {"ignore": ["unchanged"]},
        [Seen("exploding", 5, "fc", "w")],
    ),
    "stays exploded": (norms(1, 1.1, 1.2, 1e6, 1e6, 1e6, 1e6, 1e6), {}, [Seen("exploding", 4, "fc", "w")]),
    "explodes early on": (norms(1, 1.1, 50, 60, 50, 60), {}, [Seen("exploding", 3, "fc", "w")]),
    "grows": (norms(*(2.0**k for k in range(12))), {}, [Seen("exploding", 7, "fc", "w")]),
    "alternates": (norms(*(1e3 if k % 2 else 1.0 for k in range(10))), {}, [Seen("exploding", 2, "fc", "w")]),
    "a small layer in a large dump": (
        norms(4, 4, 4, 4, 45, **{"big.w": 100.0}),
        {},
        [Seen("exploding", 5, "fc", "w")],
    ),
    "a layer of two": (
        [{"a.w": [300.0 + k], "b.w": [1.0 + k * 0.01], "b.b": [30.0 if k == 5 else 1.0]} for k in range(7)],
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
        {"ignore": ["dominated"]},
        [Seen("exploding", 12, "b", "w")],
    ),
    "tiny mean": ([{"a.w": [0.9e-7, -0.9e-7], "b.w": [1e-6]}], {}, [Seen("vanishing", 1, "a", "w")]),
    "mean below 1": ([{"a.w": [0.9, -0.9]}], {"vanishing_mean": 1.0}, [Seen("vanishing", 1, "a", "w")]),
    "fading": ([ramp(12, 0.9e-6, 1.0)], {"ignore": ["spread"]}, [Seen("vanishing", 1, "layers.0", None)]),
    "all zeros": ([{"a.w": [0.0, -0.0], "b.w": [1.0]}], {}, [Seen("dead", 1, "a", "w")]),
    "half zeros": ([{"a.w": [0.0, 1.0]}], {"dead_share": 0.5}, [Seen("dead", 1, "a", "w")]),
    "the same": (steady(2, 1, 1, 1, 1), {}, [Seen("unchanged", 2, "fc", "w")]),
    "the same twice": (steady(1, 2, 2), {"unchanged_dumps": 2}, [Seen("unchanged", 2, "fc", "w")]),
    "nearly the same": (steady(1, 1 + 0.9e-5, 1), {}, [Seen("unchanged", 1, "fc", "w")]),
    "one tensor leads": ([{"a.w": [100.0], "b.w": [1.0]}], {}, [Seen("dominated", 1, "a", "w")]),
    "more than half": ([{"a.w": [1.1], "b.w": [1.0]}], {"dominated_share": 0.5}, [Seen("dominated", 1, "a", "w")]),
    "subnormal": ([{"a.w": TINY16}], {}, [Seen("underflow", 1, "a", "w")]),
    "would be 0": (
        [{"a.w": np.array([1e-9, 1e-6, 0.1], np.float32)}],
        {"underflow_dtype": ("float16",)},
        [Seen("underflow", 1, "a", "w")],
    ),
    "would overflow": (
        [{"a.w": np.array([7e4, 1.0, 1.0], np.float32)}],
        {"underflow_dtype": ("float16",)},
        [Seen("underflow", 1, "a", "w")],
    ),
    "worlds apart": (
        [{"a.w": [1e3], "b.w": [0.9e-3]}],
        {"ignore": ["dominated", "vanishing"]},
        [Seen("spread", 1, None, None)],
    ),
}

SILENT: dict[str, tuple[Sequence[Arrays], dict[str, Any]]] = {
    "finite": ([{"a.w": [1.0, -1e300]}], {}),
    "10 medians": (norms(1, 1, 1, 1, 10), {}),
    "four dumps": (norms(1, 1, 1, 100), {}),
    "coming down": (norms(1000, 300, 40, 30, 1.2, 1.1, 1.3, 1.2, 1.1, 1.0, 1.1), {}),
    "rounding beside a large dump": (
        norms(4, 4, 4, 4, 90, **{"big.w": 1e8}),
        {"ignore": ["dominated", "spread", "vanishing", "unchanged"]},
    ),
    "coming down from the first steps on": (norms(*(2.0**-k for k in range(12))), {}),
    "higher at a plateau": (norms(1, 1.1, 1, 9, 9.1, 9, 9, 9), {}),
    "zeros at first": (norms(0, 0, 1, 1, 1, 1, 1, 1), {"ignore": ["dead"]}),
    "small at the very first step": (norms(0.01, 1, 1.1, 1, 1, 1.1, 1), {}),
    "two layers taking turns": (
        [{"a.w": [4.0 + k % 2], "b.w": [5.0 - k % 2]} for k in range(8)],
        {"ignore": ["unchanged"]},
    ),
    "mean at the limit": ([{"a.w": [1e-7, -1e-7]}], {}),
    "few rows of an embedding": ([{"a.w": [*[0.0] * 999, 1e-5]}], {}),
    "a bias in front of a normalisation": ([{"a.w": np.ones((8, 8)), "a.b": np.full(8, 1e-10)}], {}),
    "a first layer beside a last one that explodes": (
        [{"decoder.w": [1.0 + k], "lstm.w": [1e9 if k == 3 else 2.0]} for k in range(6)],
        {"ignore": ["exploding", "dominated", "spread", "unchanged"]},
    ),
    "a first layer beside a last one that has died": (
        [{"decoder.w": [1.0 + k], "lstm.w": [0.0 if k else 1e9]} for k in range(6)],
        {"ignore": ["dead", "dominated", "spread"]},
    ),
    "fading at the limit": ([ramp(12, 1e-6, 1.0)], {}),
    "first and last by number": ([{"layers.10.w": [1.0], "layers.9.w": [1.0], "head.w": [2e-6]}], {}),
    "one value is not 0": ([{"a.w": [0.0, 1e-3]}], {}),
    "0 at the first step": ([{"a.w": [0.0], "b.w": [1.0]}, {"a.w": [1.0], "b.w": [2.0]}], {}),
    "no elements": ([{"a.w": np.zeros((0, 3)), "b.w": [1.0]}] * 2, {}),
    "no gradients": ([{"ids": np.zeros(3, np.int64)}] * 5, {}),
    "no tensors": ([{}] * 5, {}),
    "the same twice only": (steady(1, 1, 2, 2), {}),
    "not quite the same": (steady(1, 1 + 2.1e-5, 1), {}),
    "tiny noise": ([{"a.w": [k * 1e-9, 1e-9]} for k in (1, 2, 3)], {"ignore": ["vanishing"]}),
    "a weight and its bias": ([{"a.w": [1000.0], "a.b": [1.0]}], {}),
    "one tensor alone": ([{"a.w": [1000.0]}], {}),
    "less than 99.9 %": ([{"a.w": [31.0], "b.w": [1.0]}], {}),
    "half is subnormal": ([{"a.w": np.array([2.0**-15, 0.0, 0.0, 1.0], np.float16)}], {}),
    "float32 is no float16": ([{"a.w": np.array([1e-6, 1e-6], np.float32)}], {}),
    "two norms above float64": (
        [{"a.w": [1.7e308] * 4, "b.w": [1.7e308] * 4}],
        {"ignore": ["dominated"]},
    ),
    "spread at the limit": ([{"a.w": [1e3], "b.w": [1e-3]}], {"ignore": ["dominated"]}),
}


@pytest.mark.parametrize(("case", "suffix"), crossed(FOUND, SUFFIXES))
def test_found(case: str, suffix: str, tmp_path: Path) -> None:
    """What is beyond a limit is found, once, at the first step and with the tensor's name; nothing else is."""
    dumps, options, expected = FOUND[case]
    assert seen(series(tmp_path, dumps, suffix), **options) == expected


@pytest.mark.parametrize(("case", "suffix"), crossed(SILENT, SUFFIXES))
def test_silent(case: str, suffix: str, tmp_path: Path) -> None:
    """What is at a limit, and what only looks wrong, is not found."""
    dumps, options = SILENT[case]
    assert seen(series(tmp_path, dumps, suffix), **options) == []


def test_values_and_limits(tmp_path: Path) -> None:
    """A finding tells the value that was judged and the limit that it was judged by."""
    [one] = check(series(tmp_path, norms(1, 2, 3, 4, 60))).findings
    assert (one.value, one.limit) == (60.0, 30.0)
    assert "20 times the median 3" in one.message


def test_which_went_bad_first(tmp_path: Path) -> None:
    """NaN and infinities are counted apart, the first tensor to go bad stands first, and the others name it."""
    good = {"a.w": np.ones(4), "b.w": np.ones(4), "c.w": np.ones(4)}
    bad = {"b.w": [1.0, np.inf, -np.inf, np.nan]}
    folder = series(tmp_path, [good, {**good, **bad}, {**good, **bad, "a.w": [np.nan] * 4}])
    first, second = check(folder, ignore=["unchanged"]).findings
    assert (first.step, first.layer, first.value) == (2, "b", 3)
    assert first.message.startswith("1 NaN, 1 +Inf, 1 -Inf of 4 elements; the first to go bad")
    assert first.message.endswith("(in 2 of 3 dumps: step 2, step 3)")
    assert (second.step, second.layer) == (3, "a")
    assert second.message == "4 NaN of 4 elements; after b.w at step 2"


def test_several_go_bad_at_once(tmp_path: Path) -> None:
    """Of tensors that go bad in one dump none is called the first."""
    folder = series(tmp_path, [{f"l{k}.w": [np.nan] for k in range(3)}])
    messages = [one.message for one in check(folder).findings]
    assert all("one of 3 that went bad first" in message for message in messages)


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
    assert "inf times the median 1.849, the largest part of it in this tensor" in one.message


def test_a_dump_with_nan_counts_in_no_median(tmp_path: Path) -> None:
    """Norms that are not finite are left out of the median, and of the number of dumps that it needs."""
    values = [1, 1, 1, 1, np.nan, 11]
    assert [one.rule for one in seen(series(tmp_path, norms(*values)))] == [
        "nonfinite",
        "exploding",
    ]
    assert [one.rule for one in seen(tmp_path, exploding_dumps=6)] == ["nonfinite"]


def test_tensors_are_matched_by_name(tmp_path: Path) -> None:
    """A tensor that some dumps lack is judged by those that have it, and is not unchanged across a gap."""
    dumps = [{"a.w": [1.0], "b.w": [float(k)]} if k != 3 else {"b.w": [3.0]} for k in range(1, 6)]
    assert seen(series(tmp_path, dumps)) == []
    dumps = [*dumps, {"a.w": [1.0], "b.w": [6.0]}]
    assert seen(series(tmp_path, dumps)) == [Seen("unchanged", 4, "a", "w")]


def test_targets_are_judged_one_by_one(tmp_path: Path) -> None:
    """Each dtype asked for is a finding of its own."""
    folder = series(tmp_path, [{"a.w": np.array([1e-5, 1e5, 1e-5], np.float32)}])
    found = check(folder, underflow_dtype=("stored", "bfloat16", "float16")).findings
    assert [(one.rule, one.value, one.limit) for one in found] == [("underflow", 2 / 3, 0.5), ("underflow", 1 / 3, 0.0)]
    assert all("float16" in one.message and "bfloat16" not in one.message for one in found)


def test_ignored_rules_are_not_applied(tmp_path: Path) -> None:
    """What is ignored is not found, whatever the case of its name."""
    folder = series(tmp_path, [{"a.w": [0.0]}])
    assert seen(folder, ignore=["DEAD"]) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exploding_factor", -1.0),
        ("exploding_factor", float("nan")),
        ("exploding_dumps", 1),
        ("unchanged_dumps", 1),
        ("unchanged_rtol", float("inf")),
        ("dominated_share", 1.1),
        ("underflow_dtype", ("float12",)),
        ("underflow_dtype", ()),
        ("underflow_dtype", "float16"),
        ("nosuch", 1),
    ],
)
def test_limits_that_make_no_sense(name: str, value: object, tmp_path: Path) -> None:
    """A limit that no value could pass sensibly, or that there is not, is wrong usage."""
    with pytest.raises(UsageError, match=name.replace("_", "[-_]")):
        check(series(tmp_path, [{"a": [1.0]}]), **{name: value})


def test_rules_are_found_by_name() -> None:
    """The names that the command line knows are those of the registry; a nearly right one is pointed out, and all are listed."""
    assert tuple(CHECKS) == NAMES
    with pytest.raises(UsageError, match=r"did you mean vanishing\? rules are nonfinite, exploding, .*spread$"):
        parse_names(["vanising"])


def test_the_defaults_are_those_of_the_contract() -> None:
    """The defaults stand in one place, and are these."""
    limits = Limits()
    assert (limits.exploding_factor, limits.exploding_dumps, limits.dead_share) == (10, 5, 1)
    assert (limits.vanishing_mean, limits.vanishing_ratio, limits.spread_ratio) == (1e-7, 1e-6, 1e6)
    assert (limits.unchanged_dumps, limits.unchanged_rtol, limits.unchanged_atol) == (3, 1e-5, 1e-8)
    assert (limits.dominated_share, limits.underflow_share, limits.underflow_dtype) == (0.999, 0.5, ("stored",))


def test_what_stays_exploded_is_told_by_the_dumps_before(tmp_path: Path) -> None:
    """Where most dumps explode they are compared with those before them, of which 2 is the median, and all of them are told."""
    [one] = check(series(tmp_path, norms(1, 2, 3, 80, 90, 100, 90, 80, 85))).findings
    assert (one.value, one.limit) == (80, 20)
    assert "40 times the median 2 of the dumps before (at worst 50 times)" in one.message
    assert one.message.endswith("(in 6 of 9 dumps: step 4 to step 9)")


def test_a_dump_that_explodes_is_not_told_again_for_its_layers(tmp_path: Path) -> None:
    """Layers that explode with the whole dump are no findings of their own; one that explodes in another dump is."""
    dumps = [{f"{layer}.w": [1 + k * 0.01] for layer in "abc"} for k in range(9)]
    dumps[5] = {f"{layer}.w": [1e3] for layer in "abc"}
    dumps[7] = {**dumps[7], "b.w": [11.5]}
    found = check(series(tmp_path, dumps), exploding_factor=11).findings
    assert [(one.rule, one.step, one.layer) for one in found] == [("exploding", 6, "a"), ("exploding", 8, "b")]
