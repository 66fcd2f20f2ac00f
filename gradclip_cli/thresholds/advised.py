"""Choose the threshold that is advised, for `stats`, `--rule auto` and `apply -t auto`: by which rule, from which norms."""

from typing import NamedTuple

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.strategies.base import Group, Strategy
from gradclip_cli.text import plural
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR, MIN_STEPS, Summary
from gradclip_cli.thresholds.explosions import Explosions, explosions
from gradclip_cli.thresholds.levels import medians
from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from gradclip_cli.thresholds.rules import AUTO, BAND, GENTLE, OUTLIER_SENSITIVE, ROBUST, RULES, Rule, choose
from gradclip_cli.thresholds.samples import Mask, Matrix, NormSamples, median
from gradclip_cli.thresholds.trend import WITHIN, Trend, trend

CALM_RANGE = 10.0
"""Where norms range over more than this factor, equal ones at the top are no sign of clipping."""

OFTEN, MOSTLY = 0.1, 0.5
"""The clip rates above which the mean is not advised: where norms fall or rise over the run, and where they are steady."""

OUTLIER_RATIO = 3.0
"""A few norms lead the mean where it is above this multiple of the median, or of the mean without explosions."""

NO_GRADIENT = "there is no gradient in these dumps, and nothing to clip"
NO_FINITE_NORM = "there is no finite norm to choose a threshold from"
ALL_ZERO = "every norm is 0, so there is nothing to clip: were these gradients saved after the backward pass?"


class NormFacts(NamedTuple):
    """The norms of a strategy, and facts about them.

    `zeros`: more than half are 0, and `some` and `without_spikes` leave zeros out. `some` holds the norms to choose from,
    `without_spikes` those that do not explode, `summary` describes `some`. `led`: a few norms lead the mean of `some`.
    """

    all: NormSamples
    some: NormSamples
    without_spikes: NormSamples
    summary: Summary
    zeros: bool
    led: bool

    @classmethod
    def of(cls, every: NormSamples, without_spikes: NormSamples) -> "NormFacts":
        """Derive the facts from all norms, and from those that do not explode."""
        zeros = not every.summary().median
        some, quiet = (part.above_zero() if zeros else part for part in (every, without_spikes))
        summary = some.summary()
        led = summary.mean > OUTLIER_RATIO * min(summary.median, quiet.summary().mean)
        return cls(every, some, quiet, summary, zeros, led)


class Choice(NamedTuple):
    """A chosen threshold; `rule` names the rule and the norms it was applied to, `reason` says why there is no threshold."""

    rule: str
    threshold: float | None
    clip_rate: float
    reason: str = ""


def explosions_in(table: NormTable) -> Explosions:
    """Find the norms of a strategy that explode, by the default limits of `check`."""
    parts = any(map(str, table.groups))
    return explosions(table.norms, table.finite, EXPLODING_FACTOR, EXPLODING_DUMPS, parts=parts)


def out_of_line(table: NormTable, high: Mask) -> Mask:
    """Return which norms choose no threshold (steps × groups): those that explode, in `high`, or stay up with one that does."""
    found = high.copy()
    for column in np.flatnonzero(high.any(axis=0)).tolist():
        found[:, column] |= _stays_up(table.norms[:, column], table.finite[:, column], int(high[:, column].argmax()))
    return found


def _stays_up(norms: Matrix, finite: Mask, first: int) -> Mask:
    """Return which norms are as far above those before the first explosion; none where the run ends at such a level.

    A plateau becomes the level of its neighbours and no longer explodes, but it chooses no threshold where the run comes back.
    """
    before, end = norms[:first][finite[:first]], norms[finite][-EXPLODING_DUMPS:]
    if len(before) < EXPLODING_DUMPS or median(end) > EXPLODING_FACTOR * median(before):
        return np.zeros(len(norms), np.bool_)
    found: Mask = finite & (norms > EXPLODING_FACTOR * median(before))
    return found


def auto(strategy: Strategy, table: NormTable, epsilon: float, path: str | None = None) -> Choice:
    """Choose the advised threshold from the norms of a strategy; raise InputError if none is advised."""
    why = refusal(strategy, table) or doubt(table)
    if why:
        told = f"no threshold can be chosen by {AUTO} for {strategy.name}: {why}"
        raise InputError(f"{told}; give a number instead of {AUTO}", path=path)
    high = out_of_line(table, explosions_in(table).steps)
    _, choice = advised(strategy, RULES[0], table, epsilon, high, moving=has_moved(trend_of(table)))
    if choice.threshold is None:
        raise InputError(choice.reason, path=path)
    return choice


def has_moved(way: Trend) -> bool:
    """Return whether norms are at another level at the end of a run than at its start."""
    return way.kind != "steady" and abs(way.end - way.start) > WITHIN * way.start


def trend_of(table: NormTable) -> Trend:
    """Describe the trend of the norms of a strategy: where they are several at a step, that of their medians."""
    usual = medians(np.where(table.finite, table.norms, np.nan).T)[:, None]
    _, power = np.frexp(np.nanmax(usual, initial=0.0))  # of norms at the end of float64, sums would overflow
    scaled = np.ldexp(np.nan_to_num(usual), -power)
    way = trend(NormTable([GroupName()], scaled, np.isnan(usual)))
    return way._replace(start=float(np.ldexp(way.start, power)), end=float(np.ldexp(way.end, power)))


def refusal(strategy: Strategy, table: NormTable) -> str:
    """Say why nothing can be chosen: no gradient, no finite norm, only zeros, or one step; otherwise, return an empty text."""
    summary = table.samples.summary()
    if not len(table.groups) or not table.present.any():
        return NO_GRADIENT
    if not summary.count:
        return NO_FINITE_NORM
    if not summary.max:
        return ALL_ZERO
    return one_step(strategy, summary) if np.count_nonzero(table.finite.any(axis=1)) == 1 else ""


def doubt(table: NormTable) -> str:
    """Say why no rule is a guide: two steps are far apart, or norms look clipped; otherwise, return an empty text."""
    tops = np.where(table.finite, table.norms, 0.0).max(axis=1)[table.finite.any(axis=1)].tolist()
    apart = two_steps(min(tops), max(tops)) if len(tops) == 2 else ""
    return apart or already_clipped(table.samples)


def advised(
    strategy: Strategy, rule: Rule, table: NormTable, epsilon: float, high: Mask, *, moving: bool
) -> tuple[NormFacts, Choice]:
    """Choose by a rule; in place of the mean, by the robust rule where outliers lead it, or by the gentle one where it clips much.

    `high` says which norms explode or stay up with one that does, `moving` whether norms fall or rise over the run. Where the
    threshold would be that of an explosion, choose from the other norms.
    """
    epsilon = epsilon if strategy.takes_norm else 0.0
    facts = NormFacts.of(table.samples, NormSamples(table.norms[table.finite & ~high]))
    chosen = choose_robustly(strategy, rule, facts, epsilon, exploded=facts.led and bool(high.any()))
    if rule != RULES[0] or chosen.rule != str(rule) or facts.led or not _has_many_steps(table):
        return facts, chosen
    often = OFTEN if moving else 1.0 if high.any() else MOSTLY
    return facts, _choose(strategy, GENTLE, facts.some, facts, epsilon) if chosen.clip_rate > often else chosen


def _has_many_steps(table: NormTable) -> bool:
    return int(np.count_nonzero(table.finite.any(axis=1))) >= MIN_STEPS


def choose_robustly(strategy: Strategy, rule: Rule, facts: NormFacts, epsilon: float, *, exploded: bool) -> Choice:
    """Choose by the rule, by the robust one where outliers lead the mean, or else by the mean.

    Where that gives the threshold of an explosion, choose by the rule from the norms that do not explode.
    """
    wanted = ROBUST if facts.led and rule.name in OUTLIER_SENSITIVE else rule
    zeros = "is not 0"
    choices = [
        _choose(strategy, one, facts.some, facts, epsilon, zeros if facts.zeros else "") for one in (wanted, RULES[0])
    ]
    chosen = next((one for one in choices if one.threshold is not None), choices[-1])
    if exploded and (chosen.threshold or 0.0) > EXPLODING_FACTOR * facts.without_spikes.summary().median > 0:
        which = f"does not explode and {zeros}" if facts.zeros else "does not explode"
        calm = _choose(strategy, rule, facts.without_spikes, facts, epsilon, which)
        return chosen if calm.threshold is None else calm
    return chosen


def _choose(
    strategy: Strategy, rule: Rule, samples: NormSamples, facts: NormFacts, epsilon: float, which: str = ""
) -> Choice:
    """Choose by a rule from the norms `samples`, described by `which`; the clip rate is that of all norms."""
    try:
        threshold = choose(rule, samples, strategy.name)
    except InputError as error:
        return Choice(str(rule), None, 0.0, error.message)
    named = f"{rule} of what {which}" if which else str(rule)
    return Choice(named, threshold, facts.all.clip_rate(threshold, epsilon))


def already_clipped(samples: NormSamples) -> str:
    """Say that norms look already clipped: all are alike, or most of many are, with none above and none far below.

    Returns an empty text where they do not.
    """
    share, top = samples.at_the_top(), float(samples.finite.max(initial=0))
    if share < 1 and (share <= 0.5 or len(samples.finite) < MIN_STEPS or CALM_RANGE * samples.finite.min() < top):
        return ""
    which = "all norms are alike" if share == 1 else f"{share:.1%} of the norms are alike and none is larger"
    return (
        f"{which}: the series looks as if it had already been clipped at {top:.4g}; look at gradients before clipping"
    )


def one_step(strategy: Strategy, summary: Summary) -> str:
    """Give the range of thresholds to choose from while there is only one step."""
    low, high = (times * summary.mean for times in BAND)
    what = "its norm" if strategy.group is Group.DUMP else f"the mean of its {plural(summary.count, 'sample')}"
    return (
        f"one step does not tell how norms vary: give {MIN_STEPS} or more. Until then {strategy.name} may take"
        f" {low:.4g} to {high:.4g}, {BAND[0]:g} to {BAND[1]:g} times {what}"
    )


def two_steps(low: float, high: float) -> str:
    """Say that of two norms that are far apart, either may be the usual one; return an empty text where they are not."""
    if high <= EXPLODING_FACTOR * low:
        return ""
    return f"two steps of {low:.4g} and {high:.4g} do not tell which of them is usual: give {MIN_STEPS} or more"
