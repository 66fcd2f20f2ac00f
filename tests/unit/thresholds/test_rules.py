"""Thresholds are numbers above 0 or rules, and a rule says why it can choose none."""

import math
import re
import statistics

import pytest

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES, AdaptiveRule
from gradclip_cli.thresholds.rules import RULES, Rule, checked, choose, parse, parse_rule
from gradclip_cli.thresholds.samples import NormSamples


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("0.25", 0.25), ("1e-300", 1e-300), (" 2 ", 2.0), ("inf", math.inf), ("5e-324", 5e-324)],
)
def test_numbers_are_thresholds(text: str, value: float) -> None:
    """Any number above 0 is a threshold, infinity too."""
    assert parse(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "-0.0", "nan", "-inf", "1e-400", "-nan"])
def test_numbers_that_are_none(text: str) -> None:
    """0, negative numbers and NaN are wrong usage, and the message says what is asked for."""
    with pytest.raises(UsageError, match="above 0"):
        parse(text)


@pytest.mark.parametrize("text", ["0", "0.0", "-0"])
def test_zero_is_told_what_stands_for_no_clipping(text: str) -> None:
    """Trainers take 0 for no clipping: the message names what copies and what measures."""
    with pytest.raises(UsageError, match="-s none to copy, or use stats to measure"):
        parse(text)


@pytest.mark.parametrize("text", ["-1", "nan"])
def test_other_numbers_are_not_taken_for_no_clipping(text: str) -> None:
    """A negative number, or NaN, is only told what a threshold is."""
    with pytest.raises(UsageError, match=r"must be a number above 0, not"):
        parse(text)


@pytest.mark.parametrize("text", ["", "1,5", "1 2", "$", "--"])
def test_what_is_no_number_and_no_rule(text: str) -> None:
    """What is neither a number nor begins like a rule is wrong usage."""
    with pytest.raises(UsageError, match="neither a number nor a rule"):
        parse(text)


@pytest.mark.parametrize("text", ["mean", "MEAN", " mean "])
def test_rules_are_found_by_name(text: str) -> None:
    """A rule is found without regard to case, and writes itself as it is given."""
    assert str(parse(text)) == "mean"
    assert parse_rule(text) is parse(text)


SAMPLES = [1.0, 2.0, 3.0, 4.0, 100.0]


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("mean", 22.0),
        ("median", 3.0),
        ("percentile:0", 1.0),
        ("percentile:50", 3.0),
        ("percentile:90", 61.6),
        ("percentile", 61.6),
        ("percentile:100", 100.0),
        ("mad:0", 3.0),
        ("mad:2", 3 + 2 * 1.4826 * 1),
        ("zscore:0", 22.0),
        ("zscore:1.5", 22 + 1.5 * statistics.pstdev(SAMPLES)),
    ],
)
def test_what_each_rule_chooses(text: str, threshold: float) -> None:
    """Rules give what was worked out by hand for five norms, whatever stands among them that is not finite."""
    rule = parse_rule(text)
    assert isinstance(rule, Rule)
    assert choose(rule, NormSamples([*SAMPLES, math.nan, math.inf]), "it") == pytest.approx(threshold, rel=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        *("mean:1", "percentile:101", "percentile:-1", "percentile:x", "mad:-1", "mad:nan", "zscore:inf", "zscore:"),
        *("autoclip:101", "autoclip:-1", "autoclip:x", "autoclip:", "zclip:-1", "zclip:inf", "zclip:nan", "zclip:x"),
    ],
)
def test_arguments_that_no_rule_takes(text: str) -> None:
    """An argument outside its range, or to a rule that takes none, is wrong usage that names the rule."""
    with pytest.raises(UsageError, match=text.partition(":")[0]):
        parse_rule(text)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("adagc:lambda=1.03,beta=0.98", "adagc:1.03,beta=0.98"),
        ("AdaGC = 1.04,beta=0.99", "adagc:1.04"),
        (
            "zclip:2.5,max=1.0,mode=percentile,option=mean,skip=true",
            "zclip:2.5,max=1,mode=percentile,option=mean,skip=true",
        ),
        ("zclip:skip=true,max=2", "zclip:2.5,max=2,skip=true"),
        ("skip-olmo:window=64", "skip-olmo:6,window=64"),
        ("skip-above:1e3", "skip-above:1000"),
    ],
)
def test_parameters_have_names(text: str, spelled: str) -> None:
    """Parameters stand behind the first in any order; a rule writes those that are not its defaults, in one order."""
    assert str(parse(text)) == spelled
    assert str(parse(spelled)) == spelled


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("skip-above", "needs a number, as in skip-above:10"),
        ("adagc:gamma=1", "no parameter 'gamma'; parameters are lambda, beta=0.99"),
        ("adagc:beta=2", "beta of the rule adagc is a number from 0 to 1, not '2'"),
        ("adagc:1.04,1.05", "takes one number, and more by name"),
        ("zclip:mode=median", "one of zscore, percentile, not 'median'"),
        ("skip-llmc:window=3.5", "a whole number from 2"),
        ("mean:max=1", "takes no argument"),
    ],
)
def test_parameters_that_are_refused(text: str, reason: str) -> None:
    """An unknown name, a value beyond its limits, or a missing argument is wrong usage that says what there is."""
    with pytest.raises(UsageError, match=re.escape(reason)):
        parse(text)


@pytest.mark.parametrize("text", ["mean", "median", "percentile:97.5", "mad:3", "zscore:2.5", "autoclip:5", "zclip:3"])
def test_a_rule_writes_itself_as_it_is_given(text: str) -> None:
    """What a report says of a rule can be given again."""
    assert str(parse_rule(text)) == text
    assert parse_rule(text) == parse(text)


def test_an_unknown_rule_names_the_known_ones() -> None:
    """A misspelt rule is wrong usage; the message lists the rules."""
    with pytest.raises(UsageError, match=r"meen.*mean"):
        parse("meen")


@pytest.mark.parametrize(("text", "reason"), [("SPAM", "Adam"), ("qk-clip", "logits")])
def test_what_norms_do_not_tell_is_refused(text: str, reason: str) -> None:
    """A way to clip that needs more than norms is wrong usage that says what it needs."""
    with pytest.raises(UsageError, match=f"cannot be replayed over norms: .*{reason}"):
        parse(text)


@pytest.mark.parametrize("rule", [*RULES, *ADAPTIVE_RULES])
def test_a_misspelt_rule_is_told_of_all_others(rule: Rule | AdaptiveRule) -> None:
    """The message lists every rule as it can be given."""
    with pytest.raises(UsageError, match=str(rule)):
        parse_rule("autoclp")


@pytest.mark.parametrize(("text", "expected"), [("autoclip", "autoclip:10"), ("ZClip", "zclip:2.5")])
def test_replays_have_the_defaults_of_their_authors(text: str, expected: str) -> None:
    """AutoClip's percentile is 10, ZClip's z-score 2.5, unless another is given."""
    assert str(parse(text)) == expected


def test_the_default_rule_is_the_mean() -> None:
    """The first rule is the mean, with its source."""
    assert RULES[0].name == "mean"
    assert RULES[0].source


@pytest.mark.parametrize("value", [0.0, -3.0, math.nan])
def test_checked_refuses(value: float) -> None:
    """A number that cannot be a threshold is wrong usage from Python too."""
    with pytest.raises(UsageError, match="above 0"):
        checked(value)


def test_the_mean_is_the_mean_of_the_finite_samples() -> None:
    """`mean` chooses the mean of the norms that are finite."""
    values = [1.0, 2.5, 10.0]
    assert choose(RULES[0], NormSamples([*values, math.inf]), "it") == pytest.approx(
        statistics.fmean(values), rel=1e-15
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "there is no norm"),
        ([math.nan, math.inf], "all 2 norms are NaN or infinite"),
        ([0.0, 0.0], "it would be 0"),
    ],
)
def test_no_threshold_can_be_chosen(values: list[float], reason: str) -> None:
    """Without a finite sample, or with a result of 0, a rule fails with the reason and the name of what was compared."""
    with pytest.raises(InputError, match=f"clip-by-norm: {reason}"):
        choose(RULES[0], NormSamples(values), "clip-by-norm")
