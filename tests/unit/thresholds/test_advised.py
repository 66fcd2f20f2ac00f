"""A threshold is advised by the rule that was asked for, unless a few norms lead it astray, or it would clip too much."""

import math

import numpy as np
import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.strategies import find
from gradclip_cli.thresholds.advised import (
    Choice,
    NormFacts,
    advised,
    already_clipped,
    auto,
    choose_robustly,
    doubt,
    explosions_in,
    one_step,
    out_of_line,
    refusal,
    trend_of,
)
from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from gradclip_cli.thresholds.rules import RULES, Rule, parse_rule
from gradclip_cli.thresholds.samples import Mask, NormSamples

GLOBAL = find("clip-by-global-norm")
CALM = [1.0, 1.1, 0.9, 1.2, 1.0, 0.8, 1.0, 1.3, 1.0, 1.1]
FALLING = [10.0 - 0.4 * k for k in range(20)] + [2.0] * 20


def known(norms: list[float], calm: list[float]) -> NormFacts:
    """Say what is known of norms, of which some do not explode."""
    return NormFacts.of(NormSamples(norms), NormSamples(calm))


def table(norms: list[float]) -> NormTable:
    """The norms of dumps."""
    return NormTable([GroupName()], np.array(norms).reshape(-1, 1))


def left_out(table: NormTable) -> Mask:
    """Say which norms choose no threshold."""
    return out_of_line(table, explosions_in(table).steps)


def chosen(norms: list[float], calm: list[float], rule: str = "mean") -> Choice:
    """Choose by a rule."""
    wanted = parse_rule(rule)
    assert isinstance(wanted, Rule)
    return choose_robustly(GLOBAL, wanted, known(norms, calm), 0.0, exploded=len(norms) != len(calm))


def test_what_is_known() -> None:
    """Zeros are left out where most are zero; the mean is led where it is far above the median, or above what is calm."""
    calm = known(CALM, CALM)
    assert (calm.zeros, calm.led, calm.some) == (False, False, calm.all)
    assert known([*CALM, 100.0], CALM).led
    dead = known([0.0] * 20 + CALM, [0.0] * 20 + CALM)
    assert (dead.zeros, dead.led, len(dead.some.finite), len(dead.all.finite)) == (True, False, 10, 30)


def test_a_calm_series_gets_its_rule() -> None:
    """Where nothing leads the mean, the mean is taken."""
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


@pytest.mark.parametrize(
    ("norms", "moves", "rule"),
    [
        (CALM, False, "mean"),  # 4 of 10
        ([1.0, 1.0, *(3.0 + k / 100 for k in range(10))], False, "percentile:90"),  # more than half
        (CALM, True, "percentile:90"),  # more than a tenth
        (CALM[:9], True, "mean"),  # too few to tell
        ([*[1.0] * 19, 2.0], True, "mean"),  # 1 of 20
    ],
)
def test_what_the_mean_may_clip(norms: list[float], moves: bool, rule: str) -> None:
    """In place of the mean stands the 90th percentile if it clips a tenth of a run that falls or rises, or half of any other."""
    own = table(norms)
    _, found = advised(GLOBAL, RULES[0], own, 0.0, np.zeros(own.norms.shape, np.bool_), moving=moves)
    assert found.rule == rule


def test_another_rule_stays_however_much_it_clips() -> None:
    """Who asks for the median gets the median."""
    own = table(FALLING)
    _, found = advised(GLOBAL, RULES[1], own, 0.0, left_out(own), moving=True)
    assert (found.rule, found.threshold) == ("median", pytest.approx(2.2))


def test_auto_is_the_advised_rule() -> None:
    """A run that falls gets its 90th percentile, a calm one its mean, one that explodes the robust rule."""
    falling = auto(GLOBAL, table(FALLING), 0.0)
    assert (falling.rule, falling.threshold) == ("percentile:90", pytest.approx(np.percentile(FALLING, 90)))
    assert auto(GLOBAL, table(CALM), 0.0).rule == "mean"
    assert auto(GLOBAL, table([*CALM, 100.0]), 0.0).rule == "mad:5"


@pytest.mark.parametrize(
    ("norms", "why"),
    [
        ([4.0], "one step does not tell how norms vary"),
        ([1.0, 100.0], "two steps of 1 and 100 do not tell which of them is usual"),
        ([2.0] * 12, "already been clipped at 2"),
        ([math.nan, math.inf], "there is no finite norm"),
        ([0.0] * 3, "every norm is 0"),
        ([], "there is no gradient"),
    ],
)
def test_auto_refuses_what_tells_nothing(norms: list[float], why: str) -> None:
    """Where no threshold is advised, there is an error that says why, and none is chosen."""
    with pytest.raises(InputError, match=why):
        auto(GLOBAL, table(norms), 0.0)
    assert why in (refusal(GLOBAL, table(norms)) or doubt(table(norms)))


def test_the_trend_of_several_groups_is_that_of_their_medians() -> None:
    """Two of three layers that fall make a fall, one of three does not."""
    steady = [3.0 + (k % 2) / 10 for k in range(40)]
    both = np.array([FALLING, FALLING, steady]).T
    names = [GroupName(name) for name in "abc"]
    assert trend_of(NormTable(names, both)).kind == "falls"
    assert trend_of(NormTable(names, np.array([FALLING, steady, steady]).T)).kind == "steady"


@pytest.mark.parametrize(
    ("norms", "told"),
    [
        ([2.0] * 3, "all norms are alike: the series looks as if it had already been clipped at 2"),
        ([2.0] * 6 + [1.0] * 4, "60.0% of the norms are alike and none is larger: the series looks"),
        ([2.0] * 5 + [1.0] * 4, ""),  # fewer than ten
        ([2.0] * 5 + [1.0] * 5, ""),  # no more than half
        ([2.0] * 9 + [0.1], ""),  # one is far below: the others have risen
    ],
)
def test_what_has_been_clipped_already(norms: list[float], told: str) -> None:
    """Norms that are cut off at one value look clipped; norms of a plateau do not."""
    found = already_clipped(NormSamples(norms))
    assert found.startswith(told) if told else found == ""


def test_one_step_gives_a_band() -> None:
    """From one step a person may choose between half its norm and ten times that."""
    summary = NormSamples([2.0]).summary()
    told = one_step(find("clip-by-global-norm"), summary)
    assert "clip-by-global-norm may take 1 to 20, 0.5 to 10 times its norm" in told
    assert "0.5 to 10 times the mean of its 1 sample" in one_step(find("clip-l2-per-layer"), summary)


def test_a_plateau_chooses_no_threshold() -> None:
    """Thirty steps at twenty times the level before and after all count as exploding, though the later ones are alike."""
    norms = np.array([1.0 + (k % 3) / 10 for k in range(60)])
    norms[25:55] *= 20
    table = NormTable([GroupName()], norms[:, None])
    assert np.flatnonzero(left_out(table)[:, 0]).tolist() == list(range(25, 55))
    choice = auto(find("clip-by-global-norm"), table, 0.0)
    assert choice.threshold == pytest.approx(norms[[*range(25), *range(55, 60)]].mean(), rel=1e-12)


def test_a_level_that_stays_is_the_level() -> None:
    """Where a run ends at the new level, only the first steps of it explode."""
    norms = np.array([1.0] * 25 + [20.0] * 35)
    found = np.flatnonzero(left_out(NormTable([GroupName()], norms[:, None]))[:, 0]).tolist()
    assert found[0] == 25
    assert found[-1] < 45
