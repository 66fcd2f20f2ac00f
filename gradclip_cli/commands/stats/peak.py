"""Find the largest element of the largest step of a series, and the row or expert that holds most of its tensor's square."""

import math
from typing import NamedTuple

import numpy as np

from gradclip_cli.engine.run import Run
from gradclip_cli.engine.slice_squares import largest_slice, most_read_again, stands_out
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.tensor_places import TensorPlaces
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats_findings import Peak


class _Leading(NamedTuple):
    """The tensor with the largest norm in a dump, the number of that dump, and where the tensor can be read again."""

    number: int
    name: str
    elements: int
    shape: tuple[int, ...]
    max_abs: float
    places: TensorPlaces
    input: str | list[str]
    step: int | None


class LargestStep:
    """Keep the leading tensor of the dump with the largest finite norm so far; `p` is that of the first kind of sums."""

    def __init__(self, p: float) -> None:
        self._p, self._elements = p, 0
        self._most = 0.0  # the largest norm so far to the power P, or as it is if P is infinite
        self._leading: _Leading | None = None

    def take(self, dump: MeasuredDump, number: int) -> None:
        """Look at the next dump; what is beyond the range of float64, or not finite, is passed over."""
        stats = dump.stats
        self._elements += stats.overall.counts[0]
        if not len(stats) or not stats.all_finite or stats.overall.scaled:
            return
        sums = stats.sums(0)
        with np.errstate(all="ignore"):
            most = sums.max() / stats.scale if self._p == math.inf else sums.sum() / np.float64(stats.scale) ** self._p
        if not self._most < most < math.inf:
            return
        self._most = float(most)
        index = stats.indices[int(sums.argmax())]
        name = dump.name_of(index)
        indices = dump.named[name]
        peak = max(float(stats.max_abs[stats.row(k)]) for k in indices)
        places = TensorPlaces.of_one(dump, indices)
        elements = sum(dump.tensors[k].size for k in indices)
        shape = dump.tensors[indices[0]].shape
        self._leading = _Leading(number, name, elements, shape, peak, places, dump.source.label, dump.step)

    @property
    def number(self) -> int | None:
        """The number of the dump; None if there is none."""
        return None if self._leading is None else self._leading.number

    def peak(self, run: Run) -> Peak | None:
        """Read the tensor again.

        Return None if it is a large part of everything, or if its file is no longer what it was.

        A tensor of too few slices for one to stand out is not read again.
        """
        one = self._leading
        if one is None or len(one.shape) < 2 or one.shape[0] < 2:
            return None
        if one.elements > most_read_again(self._elements):
            return None
        try:
            found = largest_slice(one.places, 0, one.max_abs, run)
        except InputError:  # all other figures hold
            return None
        which = found.slice if stands_out(found) else None
        share, file = (found.share, found.file) if which is not None else (None, found.peak.file)
        place = list(found.peak.place)
        return Peak(one.input, one.step, one.name, one.max_abs, place, which, found.slices, share, file)
