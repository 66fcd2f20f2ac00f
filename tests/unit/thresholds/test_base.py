"""Rules are written as they are read, and choose from nothing only with a reason."""

import math

import pytest

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.thresholds.base import Named, require
from gradclip_cli.thresholds.samples import NormSamples

PLAIN = Named("mean", "somebody")
HALF = Named("percentile", "somebody", 90.0, (0.0, 100.0))


def test_a_rule_writes_itself() -> None:
    """A rule is its name, and its argument where it has one, without a needless fraction."""
    assert [str(rule) for rule in (PLAIN, HALF, HALF.given("12.5"), HALF.given("1e-3"))] == [
        "mean",
        "percentile:90",
        "percentile:12.5",
        "percentile:0.001",
    ]


@pytest.mark.parametrize("text", ["-1", "100.1", "nan", "inf", "", "x", "1_0"])
def test_arguments_out_of_range(text: str) -> None:
    """An argument is a plain number in the range of its rule."""
    with pytest.raises(UsageError, match="the rule percentile needs a number from 0 to 100, not "):
        HALF.given(text)


def test_a_rule_without_an_argument_takes_none() -> None:
    """What cannot be told to a rule is wrong usage."""
    with pytest.raises(UsageError, match="the rule mean takes no argument"):
        PLAIN.given("1")


@pytest.mark.parametrize(
    ("norms", "reason"),
    [
        ([], "there is no norm; give dumps with gradients"),
        ([math.nan], "its one norm is NaN or infinite; look at it with `gradclip check`"),
        ([math.nan, math.inf], "all 2 norms are NaN or infinite"),
    ],
)
def test_nothing_to_choose_from(norms: list[float], reason: str) -> None:
    """Where no norm is finite, it is said which rule wanted one, for what, and of which file."""
    with pytest.raises(InputError, match=reason) as caught:
        require(PLAIN, NormSamples(norms), "clip-by-norm", "a.npz")
    assert str(caught.value).startswith("a.npz: no threshold can be chosen by mean for clip-by-norm: ")


def test_one_finite_norm_is_enough() -> None:
    """A rule may choose as soon as one norm is finite."""
    require(PLAIN, NormSamples([math.nan, 1.0]), "clip-by-norm")
