"""The values of one column of a log, in the order of its lines, as arrays of numbers."""

import math
from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_STEP = -1


class Series:
    """Values with their steps, of which `NO_STEP` stands for one that is not logged.

    Loss scales and epochs are kept only where some are logged; where one is not, it is NaN.
    """

    __slots__ = (
        "begins",
        "digits",
        "epochs",
        "example",
        "has_steps",
        "parted",
        "rows",
        "scales",
        "steps",
        "turns",
        "unread",
        "values",
    )

    def __init__(self) -> None:
        self.steps, self.values = array("q"), array("d")
        self.scales: array[float] | None = None
        self.epochs: array[float] | None = None
        self.digits: int | None = None
        self.begins: set[int] = set()  # the first rows of files
        self.has_steps = False
        self.turns: list[tuple[int, float | None]] = []  # rows whose steps go back, and the first, with their epochs
        self.parted = False  # whether it is one of several runs, or several epochs numbered on
        self.rows: NDArray[np.int64] | None = None  # those that were taken of what was read
        self.unread, self.example = 0, ""  # values that are no numbers, and one of them

    def miss(self, text: str) -> None:
        """Note a value that is no number."""
        self.unread += 1
        self.example = self.example or text

    def goes_back(self, step: int) -> bool:
        """Whether a step is below the last one, or is the first."""
        return step != NO_STEP and (not self.steps or step < self.steps[-1])

    def add(self, step: int, value: float, scale: float | None = None, epoch: float | None = None) -> None:
        """Add a value, unless it is the last one again: each rank prints the same line."""
        steps = self.steps
        if step != NO_STEP:
            if steps and steps[-1] == step and same(self.values[-1], value):
                return
            self.has_steps = True
            if not steps or step < steps[-1]:
                self.turns.append((len(steps), epoch))
        elif epoch is not None:
            self.epochs = _appended(self.epochs, epoch, len(steps))
        if scale is not None:
            self.scales = _appended(self.scales, scale, len(steps))
        steps.append(step)
        self.values.append(value)

    def extend(self, steps: "NDArray[np.int64]", values: "NDArray[np.float64]") -> None:
        """Add values with their steps, of which the same value of the same step twice in succession counts once."""
        if not len(steps):
            return
        before = [*self.steps[-1:], *steps[:1].tolist()]
        back = np.flatnonzero(np.diff(steps, prepend=before[0]) < 0) + len(self.steps)
        self.turns += [(row, None) for row in ([0] if not self.steps else []) + back.tolist()]
        again = np.zeros(len(steps), np.bool_)
        again[1:] = (steps[1:] == steps[:-1]) & (
            (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
        )
        again[0] = bool(self.steps) and self.steps[-1] == steps[0] and same(self.values[-1], float(values[0]))
        self.has_steps = True
        self.steps.frombytes(steps[~again].tobytes())
        self.values.frombytes(values[~again].tobytes())

    @property
    def largest_scale(self) -> float | None:
        """The largest loss scale that is logged beside the values; None if none is."""
        known = np.array(self.scales or ())
        known = known[~np.isnan(known)]
        return float(known.max()) if len(known) else None

    def taken(self, rows: "NDArray[np.int64]") -> "Series":
        """Return the values of some rows, in the order given."""
        found = Series()
        found.steps = array("q", np.frombuffer(self.steps, np.int64)[rows].tobytes())
        found.values = array("d", np.frombuffer(self.values)[rows].tobytes())
        found.scales, found.epochs = _rows(self.scales, rows), _rows(self.epochs, rows)
        found.digits, found.has_steps, found.parted = self.digits, self.has_steps, self.parted
        found.rows = rows
        return found

    def divided(self, by: "float | array[float]") -> "Series":
        """Return the values divided by a number, or each by its own; a scale of 0 leaves NaN."""
        found = self.taken(np.arange(len(self.values)))
        scales = np.array(by)
        with np.errstate(all="ignore"):
            values = np.frombuffer(self.values) / np.where(scales == 0, math.nan, scales)
        found.values = array("d", values.tobytes())
        return found

    def scales_at(self, other: "Series") -> "array[float]":
        """Return the loss scales of the steps of another series; NaN where none is known."""
        known = dict(zip(self.steps, self.scales or (), strict=False))
        return array("d", [known.get(step, math.nan) for step in other.steps])


def same(a: float, b: float) -> bool:
    """Whether two numbers are the same, NaN too."""
    return a == b or (math.isnan(a) and math.isnan(b))


def _appended(values: "array[float] | None", value: float, before: int) -> "array[float]":
    """Append a value, after NaN for each of those before that had none."""
    if values is None:
        values = array("d")
    if len(values) < before:
        values.extend([math.nan] * (before - len(values)))
    values.append(value)
    return values


def _rows(values: "array[float] | None", rows: "NDArray[np.int64]") -> "array[float] | None":
    """Return some rows of values, which may end early."""
    if values is None:
        return None
    padded = np.append(np.frombuffer(values), math.nan)
    return array("d", padded[np.minimum(rows, len(values))].tobytes())
