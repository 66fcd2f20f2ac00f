"""Norms that no one threshold fits, though none explodes: those that fall, grow or vary over orders of magnitude."""

from collections.abc import Sequence

import numpy as np

from gradclip_cli.choosing.effects import Matrix
from gradclip_cli.choosing.peaks import step
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.text import printable
from gradclip_cli.thresholds.summary import Samples

WIDE = 10.0
"""Norms are spread out where the 90th percentile of a group is so many times its 10th, the zeros left out."""

_ENOUGH = 5


def trend(samples: Sequence[Sample], matrix: Matrix, names: Sequence[str]) -> str | None:
    """Say how the norms of the group that is spread out most go, and which steps to look at; None unless most groups are."""
    spreads = [_spread(column) for column in matrix.T]
    k = int(np.argmax(spreads)) if spreads else 0
    if not spreads or np.median(spreads) <= WIDE:
        return None
    kept = np.flatnonzero(np.isfinite(matrix[:, k]) & (matrix[:, k] > 0))
    norms, dumps = matrix[kept, k], [samples[row].dump for row in kept.tolist()]
    whose = f"of {printable(names[k])} " if names[k] else ""
    first, second = (Samples(half).percentile(50) for half in np.split(norms, [len(norms) // 2]))
    halves = f"from {first:.4g} to {second:.4g} (medians of the first half and the second)"
    if first > WIDE * second:
        rows = int(kept[np.flatnonzero(norms > WIDE * second)[-1]]) + 1
        return f"the norms {whose}fall {halves}, so one threshold fits few steps: leave out the first with --skip-steps {rows}"
    if second > WIDE * first:
        start = step(dumps[int(np.flatnonzero(norms > WIDE * first)[0])])
        return f"the norms {whose}grow {halves}, so one threshold fits few steps: look at those from {start} on"
    low, high = (Samples(norms).percentile(percent) for percent in (10, 90))
    top = step(dumps[int(norms.argmax())])
    return (
        f"the norms {whose}range from {low:.4g} to {high:.4g} (10th and 90th percentile), so one threshold fits few steps:"
        f" look at {top}, the highest"
    )


def _spread(norms: Matrix) -> float:
    """Return the 90th percentile over the 10th."""
    taken = norms[np.isfinite(norms) & (norms > 0)]
    if len(taken) < _ENOUGH:
        return 0.0
    low, high = (Samples(taken).percentile(percent) for percent in (10, 90))
    with np.errstate(over="ignore"):
        return float(np.divide(high, low))
