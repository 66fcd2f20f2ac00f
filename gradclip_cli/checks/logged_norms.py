"""The figures of a log, whose norms are known and no elements; find the steps whose norm is not finite."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, places
from gradclip_cli.checks.forward_order import last_of
from gradclip_cli.checks.limits import Limits
from gradclip_cli.checks.number_range import NONFINITE_ADVICE
from gradclip_cli.text import plural, printable
from gradclip_cli.thresholds.samples import Matrix


@dataclass(frozen=True)
class LoggedFigures(Figures):
    """The figures of a log: `whole` has the norms of its steps, NaN where they are not finite.

    `tensors` are those whose norms are logged, too, each of one element, since no more is known of it.
    """

    noun: str = "step"
    whole: Matrix = field(default_factory=lambda: np.zeros(0))

    @cached_property
    def dump_norms(self) -> Matrix:
        """The norm of each step as it is logged."""
        return self.whole


def find_nonfinite_norms(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find the steps whose norm is not finite, and in which tensors, where their norms are logged.

    Gradients flow from the last layer to the first, so the last of the tensors that go bad first is named.
    """
    rows = np.flatnonzero(np.isnan(figures.dump_norms)).tolist()
    if rows:
        column, where = _where(figures, rows[0])
        yield _found(rows, f"the norm of the step is not finite{where}", column)._replace(whole=True)
    lone = (figures.nonfinite > 0) & ~np.isnan(figures.dump_norms)[:, None]
    for some, column in places(lone):
        yield _found(some, "the norm of the tensor is not finite, though that of the step is", column)


def _found(rows: Sequence[int], message: str, column: int | None) -> Problem:
    found = Problem(rows, 1, 0, message, column, advice=NONFINITE_ADVICE)
    return found._replace(brief=f"not finite in {plural(len(rows), 'step')}")


def _where(figures: Figures, row: int) -> tuple[int | None, str]:
    """Return the last tensor in layer order that is not finite in a step, and what to say of it; nothing where none is logged."""
    bad = np.flatnonzero(figures.nonfinite[row]).tolist()
    if not bad:
        return None, ""
    names = {figures.tensors[column].name: column for column in bad}
    last = last_of(list(names)).name
    there = int((figures.elements[row] > 0).sum())
    return names[
        last
    ], f", nor that of {len(bad):,} of {plural(there, 'tensor')}; {printable(last)} is the last of them"
