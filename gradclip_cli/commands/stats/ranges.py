"""Name the steps of a series by ranges of their numbers."""

from collections.abc import Sequence
from operator import ge

import numpy as np

from gradclip_cli.reports.stats_thresholds import Ranges
from gradclip_cli.thresholds.norm_table import Step
from gradclip_cli.thresholds.samples import Mask


def step_ranges(which: Mask, steps: Sequence[Step]) -> Ranges | None:
    """Return the marked steps of a series as ranges: dumps that follow each other make one, whatever their numbers.

    Returns None where steps have no numbers that grow, since a range would not say which dumps it covers.
    """
    numbers = [step.number for step in steps if step.number is not None]
    if len(numbers) < len(steps) or any(map(ge, numbers, numbers[1:])):
        return None
    edges = np.flatnonzero(np.diff(which, prepend=False, append=False)).tolist()
    return [(numbers[first], numbers[end - 1]) for first, end in zip(edges[::2], edges[1::2], strict=True)]
