"""Judge the norm of each step by those before it: which one jumps, and which is not finite."""

import math
from collections import deque
from statistics import median

_HISTORY = 100
"""The number of finite norms whose median is the baseline."""

_LEAST = 5
"""The least number of norms that make a baseline; the first steps of a run are large by nature."""


class SpikeWatch:
    """Compares norms with the median of the finite norms before them; NaN and infinities never enter it.

    Only the first of several steps in a row that stand out is told: a run that has gone bad would fill the disk.
    """

    def __init__(self, spike: float) -> None:
        self._spike = spike
        self._norms: deque[float] = deque(maxlen=_HISTORY)
        self._standing_out = False

    def judge(self, norm: float) -> str | None:
        """Return `nonfinite` or `spike` (above `spike` times the baseline) for a norm that begins to stand out, else None."""
        found = self._reason(norm)
        if math.isfinite(norm):
            self._norms.append(norm)
        begins = found is not None and not self._standing_out
        self._standing_out = found is not None
        return found if begins else None

    def _reason(self, norm: float) -> str | None:
        if not math.isfinite(norm):
            return "nonfinite"
        return "spike" if len(self._norms) >= _LEAST and norm > self._spike * median(self._norms) else None
