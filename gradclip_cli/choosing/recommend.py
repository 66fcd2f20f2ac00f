"""What to take, and why: one plain line for somebody who has never chosen a threshold."""

import math
from collections.abc import Sequence

import numpy as np

from gradclip_cli.choosing.advice import FEW, already_clipped
from gradclip_cli.choosing.effects import compared_by
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.plan.stats import StatsPlan
from gradclip_cli.reports import Advised
from gradclip_cli.strategies import Group, Strategy, find
from gradclip_cli.text import count
from gradclip_cli.thresholds import BAND
from gradclip_cli.thresholds.summary import Samples, Summary


def recommend(plan: StatsPlan, samples: Sequence[Sample], layers: Sequence[str], params: Sequence[str]) -> Advised:
    """Say what to take for the plan's strategy, or for the global norm, and which steps are not finite."""
    strategy = plan.strategy or find("clip-by-global-norm")
    matrix = compared_by(strategy, samples)
    found = Samples(matrix, max(1, matrix.shape[1]))
    summary = found.summary()
    names = {Group.DUMP: [""], Group.LAYER: layers}.get(strategy.group, params)
    told = Advised(strategy.name, None, None, doubtful=False, lines=[])
    if not params:
        told = told._replace(lines=["there is no gradient in these dumps, and nothing to clip."])
    elif not summary.count:
        told = told._replace(lines=["there is no finite norm to choose a threshold from."])
    elif not summary.max:
        line = "every norm is 0, so there is nothing to clip: were these gradients saved after the backward pass?"
        told = told._replace(lines=[line])
    elif np.isfinite(matrix).any(axis=1).sum() == 1:
        told = told._replace(lines=[_of_one(strategy, summary)])
    elif line := _of_two(samples) or already_clipped(found):
        told = told._replace(lines=[f"{line}."], doubtful=True)
    else:
        from gradclip_cli.choosing.several import advised

        told = advised(plan, strategy, samples, matrix, names)
    return told._replace(lines=[*told.lines, *_nonfinite(samples)])


def _of_one(strategy: Strategy, summary: Summary) -> str:
    low, high = (times * summary.mean for times in BAND)
    what = "its norm" if strategy.group is Group.DUMP else f"the mean of its {count(summary.count, 'sample')}"
    return (
        f"one step does not tell how norms vary: give the dumps of {FEW} or more. Until then {strategy.name} may take"
        f" {low:.4g} to {high:.4g}, {BAND[0]:g} to {BAND[1]:g} times {what}."
    )


def _of_two(samples: Sequence[Sample]) -> str:
    """Say so where there are two steps that are far apart, whose mean is neither: nothing where there are others."""
    from gradclip_cli.rules.limits import Limits

    norms = sorted(sample.dump.norm for sample in samples if math.isfinite(sample.dump.norm))
    if len(norms) != 2 or norms[1] <= Limits().exploding_factor * norms[0]:
        return ""
    low, high = norms
    return f"two steps of {low:.4g} and {high:.4g} do not tell which of them is usual: give the dumps of {FEW} or more"


def _nonfinite(samples: Sequence[Sample]) -> list[str]:
    bad = [sample.dump for sample in samples if sample.dump.nonfinite or not math.isfinite(sample.dump.norm)]
    if not bad:
        return []
    from gradclip_cli.choosing.peaks import step
    from gradclip_cli.choosing.several import typed

    told = f"{len(bad)} of {count(len(samples), 'step')} {'is' if len(bad) == 1 else 'are'} not finite and left out"
    return [
        f"{told}; the first is {step(bad[0])}: look at it with `gradclip check {typed(bad[0])}`, or at all with --by step."
    ]
