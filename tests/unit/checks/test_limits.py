"""Limits are those of the contract, and what no value could pass is wrong usage."""

from pathlib import Path
from typing import Any

import pytest
from support.findings import series

from gradclip_cli import check
from gradclip_cli.checks.limits import Limits
from gradclip_cli.errors import UsageError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exploding_factor", -1.0),
        ("exploding_factor", float("nan")),
        ("exploding_dumps", 1),
        ("growing_factor", -1.0),
        ("growing_dumps", 1),
        ("unchanged_dumps", 1),
        ("unchanged_rtol", float("inf")),
        ("dominated_share", 1.1),
        ("underflow_dtype", ("float12",)),
        ("underflow_dtype", ()),
        ("underflow_dtype", "float16"),
    ],
)
def test_limits_that_make_no_sense(name: str, value: Any, tmp_path: Path) -> None:
    """A limit that no value could pass sensibly is wrong usage."""
    with pytest.raises(UsageError, match=name.replace("_", "[-_]")):
        check(series(tmp_path, [{"a": [1.0]}]), **{name: value})


def test_the_defaults_are_those_of_the_contract() -> None:
    """The defaults stand in one place, and are these."""
    limits = Limits()
    assert (limits.exploding_factor, limits.exploding_dumps, limits.dead_share) == (5, 5, 1)
    assert (limits.growing_factor, limits.growing_dumps) == (2, 10)
    assert (limits.vanishing_mean, limits.vanishing_ratio, limits.spread_ratio) == (1e-7, 1e-6, 1e6)
    assert (limits.unchanged_dumps, limits.unchanged_rtol, limits.unchanged_atol) == (3, 1e-5, 1e-8)
    assert (limits.dominated_share, limits.underflow_share, limits.underflow_dtype) == (0.999, 0.5, ("stored",))


def test_limits_are_taken_by_name() -> None:
    """What a configuration names is set; a name that no limit has is wrong usage, and says which there are."""
    assert Limits.of({"dead_share": 0.5}) == Limits(dead_share=0.5)
    with pytest.raises(UsageError, match="there is no limit 'nosuch'; limits are exploding_factor, "):
        Limits.of({"nosuch": 1})


def test_limits_of_ratios_leave_some_right() -> None:
    """A lower limit above the upper one is wrong usage, since every ratio would be found; equal ones are not."""
    with pytest.raises(UsageError, match=r"--ratio-min 0\.2 is above --ratio-max 0\.1, so that no ratio is right"):
        Limits(ratio_min=0.2, ratio_max=0.1)
    assert Limits(ratio_min=0.1, ratio_max=0.1).ratio_max == 0.1
