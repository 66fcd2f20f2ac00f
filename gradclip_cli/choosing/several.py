"""What to take of several steps: a rule that the norms allow, how far the dumps are from it, and a command to try it with."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.choosing.advice import FEW, LED, offer
from gradclip_cli.choosing.effects import Matrix
from gradclip_cli.choosing.peaks import Peak, Peaks, peaks, step, told
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.choosing.trends import trend
from gradclip_cli.plan.stats import StatsPlan
from gradclip_cli.reports import Advised, Candidate, StatsDump
from gradclip_cli.rules.limits import Limits
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.norm import Norm
from gradclip_cli.text import count, printable
from gradclip_cli.thresholds import GENTLE, ROBUST, RULES, Rule
from gradclip_cli.thresholds.summary import Samples, Summary

_LED = 3.0
_MOST = 3

_CLIPS = {
    Group.DUMP: "{} of the steps",
    Group.LAYER: "{} of the norms of layers",
    Group.TENSOR: "{} of the norms of tensors",
    Group.ELEMENT: "elements in {} of the tensors",
}


class _Known(NamedTuple):
    """The norms of a strategy: all; those above 0, if most are `zeros`, and else all; which of them do not explode.

    `summary` is that of `some`, whose mean is `led` by a few of them or not.
    """

    all: Samples
    some: Samples
    calm: Samples
    summary: Summary
    zeros: bool
    led: bool


def advised(
    plan: StatsPlan, strategy: Strategy, samples: Sequence[Sample], matrix: Matrix, names: Sequence[str]
) -> Advised:
    """Say what to take for a strategy, by its norms (steps × groups, which have `names`), and how far that may be trusted."""
    found = Samples(matrix, max(1, matrix.shape[1]))
    return _advised(plan, strategy, found, peaks(samples, matrix, names), trend(samples, matrix, names))


def _advised(plan: StatsPlan, strategy: Strategy, found: Samples, high: Peaks, trend: str | None) -> Advised:
    known = _known(found, high)
    rule = plan.rule if isinstance(plan.rule, Rule) else RULES[0]  # a replay has no one threshold that could be taken
    exploded = known.led and any(peak.explodes for peak in high.steps)
    taken = _taken(strategy, rule, known, plan.norm.epsilon, exploded=exploded)
    if taken.threshold is None:
        return Advised(strategy.name, None, None, doubtful=True, lines=[f"{taken.reason}."])
    if _is_needless(rule, taken, known, high.steps, trend):
        taken = offer(strategy, GENTLE, known.all, plan.norm.epsilon)
    reason = _reason(strategy, known, high.steps, trend, rule, taken)
    few = (
        f"; only {count(len(high.steps), 'step')}, so measure more before you rely on it"
        if len(high.steps) < FEW
        else ""
    )
    single = "" if rule is plan.rule else "for one threshold at every step, "
    clips = _clips(strategy, taken, high.steps)
    line = f"{single}take {taken.threshold:.4g} ({taken.rule}) for {strategy.name}: {reason}; {clips}{few}."
    doubtful = rule is plan.rule and (taken.rule != str(rule) or (trend is not None and not exploded))
    lines = [line, f"Try: {_command(plan, strategy, taken, high.steps)}"]
    return Advised(strategy.name, taken.rule, taken.threshold, doubtful, lines)


def _known(found: Samples, high: Peaks) -> _Known:
    zeros, calm = not found.summary().median, Samples(high.calm)
    some, calm = (_above_zero(found), _above_zero(calm)) if zeros else (found, calm)
    summary = some.summary()
    return _Known(found, some, calm, summary, zeros, summary.mean > _LED * min(summary.median, calm.summary().mean))


def _above_zero(samples: Samples) -> Samples:
    return Samples(samples.finite[samples.finite > 0])


def _taken(strategy: Strategy, rule: Rule, known: _Known, epsilon: float, *, exploded: bool) -> Candidate:
    """Choose by the rule, the robust one or the mean; where that would be the threshold of an explosion, by what is calm."""
    wanted = ROBUST if known.led and rule.name in LED else rule
    offers = [offer(strategy, one, known.some, epsilon) for one in (wanted, RULES[0])]
    taken = next((one for one in offers if one.threshold is not None), offers[-1])
    which = ["is not 0"] if known.zeros else []
    if exploded and (taken.threshold or 0.0) > Limits().exploding_factor * known.calm.summary().median > 0:
        calm = offer(strategy, rule, known.calm, epsilon)
        if calm.threshold is not None:
            taken, which = calm, ["does not explode", *which]
    if taken.threshold is None or not which:
        return taken
    rate = known.all.clip_rate(taken.threshold, epsilon if strategy.takes_norm else 0.0)
    return taken._replace(rule=f"{taken.rule} of what {' and '.join(which)}", clip_rate=rate)


def _is_needless(rule: Rule, taken: Candidate, known: _Known, steps: Sequence[Peak], trend: str | None) -> bool:
    """Whether the mean would clip most of what needs no clipping: norms that do not explode, and stay where they are."""
    calm = (
        len(steps) >= FEW and trend is None and not (known.led or known.zeros or any(peak.explodes for peak in steps))
    )
    return calm and rule == RULES[0] and (taken.clip_rate or 0.0) > 0.5


def _clips(strategy: Strategy, taken: Candidate, steps: Sequence[Peak]) -> str:
    rate = taken.clip_rate or 0.0
    clips = f"it would clip {_CLIPS[strategy.group].format(f'{rate:.1%}')}"
    if rate <= 0.5:
        return clips
    first = next((peak for peak in steps if peak.explodes), None)
    if first is not None:
        return f"{clips}, so find out first what happened at {step(first.dump)}"
    slow = ", which slows every step down: lower the learning rate instead"
    return clips + slow if len(steps) >= FEW else clips  # two of three steps may well be above their mean


def _reason(
    strategy: Strategy, known: _Known, steps: Sequence[Peak], trend: str | None, rule: Rule, taken: Candidate
) -> str:
    high = sorted((peak for peak in steps if peak.explodes), key=lambda peak: -peak.times)
    if high:
        more = f"; and {len(high) - _MOST} more" if len(high) > _MOST else ""
        verb = "explodes" if len(high) == 1 else "explode"
        which = f"{len(high)} of {count(len(steps), 'step')} {verb} ({'; '.join(map(told, high[:_MOST]))}{more})"
        return f"{which}, so the mean is no guide" if known.led else f"{which}, which moves the mean little"
    if known.zeros:
        led = ", and a few large ones lead the mean of the others" if known.led else ""
        return f"more than half of the norms are 0 and left out{led}"
    if trend is not None:
        return trend
    if known.led and strategy.group is not Group.DUMP and len(steps) >= Limits().exploding_dumps:
        own = ": --by layer lists one for each" if strategy.group is Group.LAYER else ""
        return f"some are far larger than others at every step, so the mean is theirs, and one threshold fits few of them{own}"
    if known.led:
        times = known.summary.mean / known.summary.median
        return f"the mean is {times:.3g} times the median, so it is led by a few large norms"
    top = max((peak.times for peak in steps), default=1.0)
    fair = "so the mean is a fair guide" if rule == RULES[0] else f"so {rule} is as good a guide as the mean"
    guide = fair if taken.rule == str(rule) else "but the mean would clip most of them"
    whose = "the median" if strategy.group is Group.DUMP else "its own median"
    return f"no step explodes (nothing is above {top:.3g} times {whose}), {guide}"


def typed(dump: StatsDump) -> str:
    """Write the path of a dump for a shell; FILE where it is several, or cannot be typed."""
    return shlex.quote(dump.input) if isinstance(dump.input, str) and dump.input.isprintable() else "FILE"


def _command(plan: StatsPlan, strategy: Strategy, taken: Candidate, steps: Sequence[Peak]) -> str:
    """Write what shows the threshold at work on the highest of the dumps that `apply` takes, and writes nothing."""
    whole = [peak for peak in steps if not peak.dump.nonfinite]
    highest = max(
        whole, key=lambda peak: (peak.explodes, peak.times if peak.explodes else peak.dump.norm), default=None
    )
    path = "FILE" if highest is None else typed(highest.dump)
    default, patterns = Norm(), plan.selection
    options = [
        *([f"--norm-type {plan.norm.type:g}"] if plan.norm.type != default.type else []),
        *([f"--epsilon {plan.norm.epsilon:g}"] if plan.norm.epsilon != default.epsilon else []),
        *(f"--include {shlex.quote(printable(pattern))}" for pattern in patterns.include),
        *(f"--exclude {shlex.quote(printable(pattern))}" for pattern in patterns.exclude),
    ]
    return " ".join(["gradclip apply", path, "--dry-run -s", strategy.name, "-t", f"{taken.threshold:.4g}", *options])
