"""Tensors with the same values in dump after dump."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.rules.base import Found
from gradclip_cli.rules.figures import Figures
from gradclip_cli.rules.limits import Limits

MEANING = "gradients that are not computed anew, or the same dump more than once"


def find(figures: Figures, limits: Limits) -> Iterator[Found]:
    """Find tensors with the same values in `unchanged_dumps` dumps in a row, from the first of them on."""
    pairs = limits.unchanged_dumps - 1
    found = []
    for column in np.flatnonzero(figures.same.sum(axis=0) >= pairs).tolist():
        runs = [run for run in _runs(figures.same[:, column] > 0) if run[1] >= pairs]
        found += [(row, column, length) for row, length in runs[:1]]
    for row, column, length in sorted(found):
        last = figures.dumps[row + length]
        message = f"the same values in {length + 1} dumps in a row, up to {last}: {MEANING}"
        yield Found([row], length + 1, limits.unchanged_dumps, message, column)


def _runs(same: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[tuple[int, int]]:
    """Return runs of dumps that are the same as the one before: where each begins, with that one, and its length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
    return [(start - 1, stop - start) for start, stop in edges.reshape(-1, 2).tolist()]
