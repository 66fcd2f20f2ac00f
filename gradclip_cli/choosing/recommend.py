"""What to take, and why: one plain line for somebody who has never chosen a threshold."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.choosing.advice import FEW, offer
from gradclip_cli.choosing.effects import Matrix, compared_by
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.plan import Norm, StatsPlan
from gradclip_cli.report import Candidate, StatsDump
from gradclip_cli.strategies import Group, Strategy, find
from gradclip_cli.text import count, printable
from gradclip_cli.thresholds import BAND, ROBUST, RULES, Rule
from gradclip_cli.thresholds.summary import Samples, Summary, summaries

EXPLODES = 10.0
"""A step explodes where a norm is so many times its own median over the steps, as for `gradclip check`."""

_LED = 3.0
_MOST = 3
_BY_A_FEW = ("mean", "zscore")
"""The rules that a few large norms lead."""

_CLIPS = {
    Group.DUMP: "{} of the steps",
    Group.LAYER: "{} of the norms of layers",
    Group.TENSOR: "{} of the norms of tensors",
    Group.ELEMENT: "elements in {} of the tensors",
}


class Peak(NamedTuple):
    """The group of one step that is farthest above its own median; `where` is empty if the group is the dump."""

    dump: StatsDump
    where: str
    value: float
    times: float


def recommend(plan: StatsPlan, samples: Sequence[Sample], layers: Sequence[str], params: Sequence[str]) -> list[str]:
    """Say what to take for the plan's strategy, or for the global norm, and which steps are not finite."""
    strategy = plan.strategy or find("clip-by-global-norm")
    matrix = compared_by(strategy, samples)
    found = Samples(matrix, max(1, matrix.shape[1]))
    summary = found.summary()
    names = {Group.DUMP: [""], Group.LAYER: layers}.get(strategy.group, params)
    if not params:
        lines = ["there is no gradient in these dumps, and nothing to clip."]
    elif not summary.count:
        lines = ["there is no finite norm to choose a threshold from."]
    elif not summary.max:
        lines = ["every norm is 0, so there is nothing to clip: were these gradients saved after the backward pass?"]
    elif len(peaks := _peaks(samples, matrix, names)) == 1:
        lines = [_of_one(strategy, summary)]
    else:
        lines = _of_several(plan, strategy, found, peaks)
    return [*lines, *_nonfinite(samples)]


def _of_one(strategy: Strategy, summary: Summary) -> str:
    low, high = (times * summary.mean for times in BAND)
    what = "its norm" if strategy.group is Group.DUMP else f"the mean of its {count(summary.count, 'sample')}"
    return (
        f"one step does not tell how norms vary: give the dumps of {FEW} or more. Until then {strategy.name} may take"
        f" {low:.4g} to {high:.4g}, {BAND[0]:g} to {BAND[1]:g} times {what}."
    )


def _of_several(plan: StatsPlan, strategy: Strategy, found: Samples, peaks: Sequence[Peak]) -> list[str]:
    summary = found.summary()
    led = summary.mean > _LED * summary.median
    rule = plan.rule if isinstance(plan.rule, Rule) else RULES[0]  # a replay has no one threshold that could be taken
    wanted = ROBUST if led and rule.name in _BY_A_FEW else rule
    offers = [offer(strategy, rule, found, plan.norm.epsilon) for rule in (wanted, RULES[0])]
    taken = next((one for one in offers if one.threshold is not None), None)
    if taken is None:
        return [f"{offers[-1].reason}."]
    reason = _reason(strategy, summary, peaks, led=led, taken=taken)
    rate = taken.clip_rate or 0.0
    clips = f"it would clip {_CLIPS[strategy.group].format(f'{rate:.1%}')}"
    if rate > 0.5:
        clips += ", which slows every step down: lower the learning rate instead"
    few = f"; only {count(len(peaks), 'step')}, so measure more before you rely on it" if len(peaks) < FEW else ""
    single = "" if rule is plan.rule else "for one threshold at every step, "
    line = f"{single}take {taken.threshold:.4g} ({taken.rule}) for {strategy.name}: {reason}; {clips}{few}."
    return [line, f"Try: {_command(plan, strategy, taken, peaks)}"]


def _reason(strategy: Strategy, summary: Summary, peaks: Sequence[Peak], *, led: bool, taken: Candidate) -> str:
    high = sorted((peak for peak in peaks if peak.times > EXPLODES), key=lambda peak: -peak.times)
    if high:
        more = f"; and {len(high) - _MOST} more" if len(high) > _MOST else ""
        verb = "explodes" if len(high) == 1 else "explode"
        told = f"{len(high)} of {count(len(peaks), 'step')} {verb} ({'; '.join(map(_told, high[:_MOST]))}{more})"
        return f"{told}, so the mean is no guide" if led else f"{told}, which moves the mean little"
    if not summary.median:
        return "more than half of the norms are 0, so the median is no guide"
    if led and strategy.group is not Group.DUMP:
        return (
            "some are far larger than others at every step, so the mean is theirs, and one threshold fits few of them"
        )
    if led:
        return f"the mean is {summary.mean / summary.median:.3g} times the median, so it is led by a few large norms"
    top = max((peak.times for peak in peaks), default=1.0)
    fair = "the mean is a fair guide" if taken.rule == str(RULES[0]) else f"{taken.rule} is as good a guide as the mean"
    whose = "the median" if strategy.group is Group.DUMP else "its own median"
    return f"no step explodes (nothing is above {top:.3g} times {whose}), so {fair}"


def _told(peak: Peak) -> str:
    where = f"{printable(peak.where)} " if peak.where else ""
    return f"{_step(peak.dump)}: {where}{peak.value:.4g}, {peak.times:,.0f} times {'its' if where else 'the'} median"


def _peaks(samples: Sequence[Sample], matrix: Matrix, names: Sequence[str]) -> list[Peak]:
    """Return one for each step that has a finite norm; where a median is 0, nothing can be told."""
    medians = np.array([column.median for column in summaries(matrix)])
    usable = np.isfinite(matrix) & (medians > 0)
    with np.errstate(over="ignore"):
        times = np.divide(matrix, medians, out=np.zeros_like(matrix), where=usable)
    found = []
    for sample, row, ratios, finite in zip(samples, matrix, times, np.isfinite(matrix), strict=True):
        if finite.any():
            k = int(ratios.argmax())
            found.append(Peak(sample.dump, names[k], float(row[k]), float(ratios[k])))
    return found


def _nonfinite(samples: Sequence[Sample]) -> list[str]:
    bad = [sample.dump for sample in samples if sample.dump.nonfinite or not np.isfinite(sample.dump.norm)]
    if not bad:
        return []
    told = f"{len(bad)} of {count(len(samples), 'step')} {'is' if len(bad) == 1 else 'are'} not finite and left out"
    return [
        f"{told}; the first is {_step(bad[0])}: look at it with `gradclip check {_file(bad[0])}`, or at all with --by step."
    ]


def _step(dump: StatsDump) -> str:
    path = dump.input if isinstance(dump.input, str) else dump.input[0]
    return printable(path) if dump.step is None else f"step {dump.step}"


def _file(dump: StatsDump) -> str:
    """Write the path of a dump for a shell; FILE where it is several, or cannot be typed."""
    return shlex.quote(dump.input) if isinstance(dump.input, str) and dump.input.isprintable() else "FILE"


def _command(plan: StatsPlan, strategy: Strategy, taken: Candidate, peaks: Sequence[Peak]) -> str:
    """Write what shows the threshold at work on the highest of the dumps that `apply` takes, and writes nothing."""
    whole = [peak for peak in peaks if not peak.dump.nonfinite]
    path = _file(max(whole, key=lambda peak: peak.times).dump) if whole else "FILE"
    default, patterns = Norm(), plan.selection
    options = [
        *([f"--norm-type {plan.norm.type:g}"] if plan.norm.type != default.type else []),
        *([f"--epsilon {plan.norm.epsilon:g}"] if plan.norm.epsilon != default.epsilon else []),
        *(f"--include {shlex.quote(printable(pattern))}" for pattern in patterns.include),
        *(f"--exclude {shlex.quote(printable(pattern))}" for pattern in patterns.exclude),
    ]
    return " ".join(["gradclip apply", path, "--dry-run -s", strategy.name, "-t", f"{taken.threshold:.4g}", *options])
