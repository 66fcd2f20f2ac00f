"""A threshold is chosen by the rule that was asked for, unless a few norms lead it astray."""

import pytest

from gradclip_cli.commands.stats.choice import Choice, NormFacts, choice_of, choose_threshold
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats import Candidate
from gradclip_cli.strategies import find
from gradclip_cli.thresholds.rules import RULES, Rule, choose, parse_rule
from gradclip_cli.thresholds.samples import NormSamples

GLOBAL = find("clip-by-global-norm")
CALM = [1.0, 1.1, 0.9, 1.2, 1.0, 0.8, 1.0, 1.3, 1.0, 1.1]


def known(norms: list[float], calm: list[float]) -> NormFacts:
    """Say what is known of norms, of which some do not explode."""
    return NormFacts.of(NormSamples(norms), NormSamples(calm))


def candidate(rule: Rule, samples: NormSamples) -> Candidate:
    """Offer what a rule chooses from all norms."""
    try:
        threshold = choose(rule, samples, GLOBAL.name)
    except InputError as error:
        return Candidate(GLOBAL.name, str(rule), None, None, None, None, None, error.message)
    return Candidate(GLOBAL.name, str(rule), threshold, samples.clip_rate(threshold), None, None, None, None)


def chosen(norms: list[float], calm: list[float], rule: str = "mean") -> Choice:
    """Choose by a rule, which was offered with all others."""
    samples, wanted = NormSamples(norms), parse_rule(rule)
    assert isinstance(wanted, Rule)
    offered = {str(one): candidate(one, samples) for one in (*RULES, wanted)}
    return choose_threshold(GLOBAL, wanted, known(norms, calm), 0.0, offered, exploded=len(norms) != len(calm))


def test_what_is_known() -> None:
    """Zeros are left out where most are zero; the mean is led where it is far above the median, or above what is calm."""
    calm = known(CALM, CALM)
    assert (calm.zeros, calm.led, calm.some) == (False, False, calm.all)
    assert known([*CALM, 100.0], CALM).led
    dead = known([0.0] * 20 + CALM, [0.0] * 20 + CALM)
    assert (dead.zeros, dead.led, len(dead.some.finite), len(dead.all.finite)) == (True, False, 10, 30)


def test_a_calm_series_gets_its_rule() -> None:
    """Where nothing leads the mean, the mean is taken, as it was offered."""
    found = chosen(CALM, CALM)
    assert (found.rule, found.threshold, found.clip_rate) == ("mean", pytest.approx(1.04), 0.4)


def test_a_mean_that_is_led_gives_way_to_a_robust_rule() -> None:
    """One explosion makes the mean no guide; a rule that does not heed it stays."""
    norms = [*CALM, 100.0]
    assert chosen(norms, CALM).rule == "mad:5"
    assert chosen(norms, CALM, "median").rule == "median"


def test_a_threshold_is_never_that_of_an_explosion() -> None:
    """Where most norms explode, the rule chooses from those that do not."""
    found = chosen([1.0, 1.0, *[1000.0] * 8], [1.0, 1.0], "median")
    assert (found.rule, found.threshold) == ("median of what does not explode", 1.0)


def test_zeros_are_no_guide() -> None:
    """Where most norms are 0, the rule chooses from the others, and the share clipped is one of all."""
    norms = [0.0] * 10 + [1.0, 3.0]
    found = chosen(norms, norms)
    assert (found.rule, found.threshold, found.clip_rate) == ("mean of what is not 0", 2.0, 1 / 12)


def test_what_could_not_be_chosen_says_why() -> None:
    """A candidate without a threshold hands on its reason."""
    none = Candidate("none", "mean", None, None, None, None, None, "there is no norm")
    assert choice_of(none) == Choice("mean", None, 0.0, "there is no norm")
