"""What is not finite, or lost in a dtype, is found and told; what is at a limit is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.findings import Seen, series

from gradclip_cli import check
from unit.checks.made import Found, Silent, judging_tests

TINY16 = np.array([2.0**-15, 2.0**-15, 2.0**-15, 1.0], np.float16)  # subnormal below 2^-14


FOUND: Found = {
    "NaN": ([{"a.w": [1.0]}, {"a.w": [np.nan]}], {}, [Seen("nonfinite", 2, "a", "w")]),
    "-Inf": ([{"a.w": [1.0, -np.inf]}], {}, [Seen("nonfinite", 1, "a", "w")]),
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
}

SILENT: Silent = {
    "finite": ([{"a.w": [1.0, -1e300]}], {}),
    "no elements": ([{"a.w": np.zeros((0, 3)), "b.w": [1.0]}] * 2, {}),
    "no gradients": ([{"ids": np.zeros(3, np.int64)}] * 5, {}),
    "no tensors": ([{}] * 5, {}),
    "half is subnormal": ([{"a.w": np.array([2.0**-15, 0.0, 0.0, 1.0], np.float16)}], {}),
    "float32 is no float16": ([{"a.w": np.array([1e-6, 1e-6], np.float32)}], {}),
    "two norms above float64": (
        [{"a.w": [1.7e308] * 4, "b.w": [1.7e308] * 4}],
        {"ignore": ["dominated"]},
    ),
}


test_found, test_silent = judging_tests(FOUND, SILENT)


def test_which_went_bad_first(tmp_path: Path) -> None:
    """NaN and infinities are counted apart, the first tensor to go bad stands first, and the others name it."""
    good = {"a.w": np.ones(4), "b.w": np.ones(4), "c.w": np.ones(4)}
    bad = {"b.w": [1.0, np.inf, -np.inf, np.nan]}
    folder = series(tmp_path, [good, {**good, **bad}, {**good, **bad, "a.w": [np.nan] * 4}])
    first, second = check(folder, ignore=["unchanged"]).findings
    assert (first.step, first.layer, first.value, first.index) == (2, "b", 3, [1])
    assert first.message.startswith(
        "1 NaN, 1 +Inf, 1 -Inf of 4 elements, the first at [1]; the first to go bad: usually"
    )
    assert first.message.endswith("(in 2 of 3 dumps: step 2, step 3)")
    assert (second.step, second.layer, second.index) == (3, "a", [0])
    assert second.message == "4 NaN of 4 elements, the first at [0]; after step 2, where they began in b.w"


def model(bad: Sequence[str] = ()) -> dict[str, Any]:
    """Return a model of four blocks, in the order of the alphabet, in which some tensors have a NaN at [2, 5]."""
    names = [f"blocks.{k}.{part}.weight" for k in range(4) for part in ("attn", "mlp")]
    arrays = {name: np.ones((8, 8)) for name in ["embed.weight", *names, "lm_head.weight", "norm.weight"]}
    for name in bad:
        arrays[name][2, 5] = np.nan
    return arrays


ATTN = [f"blocks.{k}.attn.weight" for k in range(3)]
MLP = [f"blocks.{k}.mlp.weight" for k in range(3)]

ORIGINS = {
    "all before": (
        ["embed.weight", *ATTN, *MLP],
        "blocks.2.mlp",
        "NaN in 7 of 11 tensors, all up to blocks.2; blocks.2.mlp.weight is the last of them, 1 of 64, at [2, 5]: usually",
    ),
    "a part of the last block": (
        ["embed.weight", *ATTN, *MLP[:2]],
        "blocks.2.attn",
        "NaN in 6 of 11 tensors, all up to blocks.2; blocks.2.attn.weight is the last of them, 1 of 64, at [2, 5]: usually",
    ),
    "not all before": (
        ["embed.weight", *MLP],
        "blocks.2.mlp",
        "NaN in 4 of 11 tensors; blocks.2.mlp.weight is the last of them, 1 of 64, at [2, 5]: usually",
    ),
    "the last norm is behind the blocks": (
        [*MLP, "norm.weight"],
        "norm",
        "NaN in 4 of 11 tensors; norm.weight is the last of them, 1 of 64, at [2, 5]: usually",
    ),
    "all": (
        list(model()),
        "lm_head",
        "NaN in all 11 tensors; lm_head.weight is the last of them, 1 of 64, at [2, 5]: usually",
    ),
}


@pytest.mark.parametrize("case", ORIGINS)
def test_a_nan_has_an_origin(case: str, tmp_path: Path) -> None:
    """Of tensors that go bad in one dump the last in layer order stands first: gradients flow from the last layer to the first."""
    bad, layer, message = ORIGINS[case]
    first, *others = check(series(tmp_path, [model(bad)]), ignore=["unchanged"]).findings
    assert (first.rule, first.layer, first.index) == ("nonfinite", layer, [2, 5])
    assert first.message.startswith(message)
    assert len(others) == len(bad) - 1
    assert {one.message for one in others} == {
        f"1 NaN of 64 elements, at [2, 5]; in the same dump as {first.layer}.weight" for _ in others[:1]
    }


def test_kinds_of_other_dumps_are_told(tmp_path: Path) -> None:
    """A tensor that is NaN in one dump and infinite in another is called both."""
    (one,) = check(series(tmp_path, [{"a.w": [np.nan, 1.0]}, {"a.w": [np.inf, 1.0]}])).findings
    assert one.brief == "1 NaN of 2, at [0]; Inf in other dumps"
    assert "; Inf in other dumps" in one.message


def test_an_order_that_names_do_not_tell(tmp_path: Path) -> None:
    """Where the alphabet alone says which layer is the last, the finding says so."""
    first, _ = check(series(tmp_path, [{"right.w": [np.nan], "left.w": [np.inf], "fine.w": [1.0]}])).findings
    assert first.message.startswith(
        "NaN and Inf in 2 of 3 tensors; right.w is the last of them (by the alphabet, since these names tell no order), "
        "1 of 1, at [0]: usually"
    )


def test_targets_are_judged_one_by_one(tmp_path: Path) -> None:
    """Each dtype asked for is a finding of its own."""
    folder = series(tmp_path, [{"a.w": np.array([1e-5, 1e5, 1e-5], np.float32)}])
    found = check(folder, underflow_dtype=("stored", "bfloat16", "float16")).findings
    assert [(one.rule, one.value, one.limit) for one in found] == [("underflow", 2 / 3, 0.5), ("underflow", 1 / 3, 0.0)]
    assert all("float16" in one.message and "bfloat16" not in one.message for one in found)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (np.array([1.0, np.inf], np.float16), True),
        (np.array([1.0, np.nan], np.float16), False),
        (np.array([1.0, np.inf], np.float32), False),
    ],
)
def test_the_loss_scale_is_a_cause_of_infinities(bad: Any, named: bool, tmp_path: Path) -> None:
    """Infinities in float16 are what a loss scale that is too high leaves; NaN, and those of wider types, have other causes."""
    (finding,) = check(series(tmp_path, [{"a.w": bad}])).findings
    assert ("usually a loss scale too high for float16" in finding.message) is named
