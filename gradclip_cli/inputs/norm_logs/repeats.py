"""Settle steps that stand in a log more than once: several ranks print them, or a run was resumed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series, same
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OFTEN = 20
"""Where steps go back more often than once in so many values, these are lines of ranks in disorder, and no resumed runs."""


def once_a_step(series: Series, path: str, repeated: str | None = None) -> tuple[Series, list[Note]]:
    """Return one value a step, in the order of steps, and notes.

    The same value twice counts once. Of others, that of the resumed run is taken, which goes back to steps that were there,
    or what `repeated` says. Raise InputError if values of one step differ otherwise: they are norms of shards.
    """
    every = np.frombuffer(series.steps, np.int64)
    if not series.has_steps or (every[0] != NO_STEP and (np.diff(every) > 0).all()):
        return series, []
    notes, rows = list[Note](), np.flatnonzero(every != NO_STEP)
    if left := len(series.steps) - len(rows):
        what = f"{plural(left, 'norm')} without a step {'is' if left == 1 else 'are'} left out"
        notes.append(Note("no-step", f"{path}: {what}", left, changes_figures=True))
    taken, twice = _once(series, rows, path, repeated)
    if twice:
        which, example = repeated or "last", printable(path)
        what = f"steps go back to {twice[0]}, as in a run that was resumed: {plural(len(twice), 'step')} came twice"
        choice = "--repeated first, keep or error chooses otherwise"
        text = f"{example}: {what}; the {which} of each is taken; {choice}"
        notes.append(Note("resumed", text, len(twice), changes_figures=True))
    return series.taken(taken), notes


def _once(
    series: Series, rows: "NDArray[np.int64]", path: str, repeated: str | None
) -> tuple["NDArray[np.int64]", list[int]]:
    """Return the rows to take, in the order of steps, and the steps of which there are several values.

    Only steps that stand there more than once are looked at one by one.
    """
    every = np.frombuffer(series.steps, np.int64)
    steps = every[rows]
    back = np.diff(steps, prepend=NO_STEP) < 0
    turns, begins = np.count_nonzero(back), np.isin(rows, list(series.begins))
    turn = np.maximum.accumulate(np.where(back | begins, rows, 0))
    order = np.argsort(steps, kind="stable")
    alone = np.ones(len(rows), np.bool_)
    again = np.flatnonzero(np.diff(steps[order]) == 0)
    alone[order[again]] = alone[order[again + 1]] = False
    kept, twice = _settled(series, rows[~alone].tolist(), turn[~alone].tolist(), path, repeated)
    if twice and repeated is None and turns > 3 and turns * _OFTEN > len(rows):
        step, pair = next(iter(twice.items()))
        raise _differ(series, path, step, *pair[:2])
    if twice and repeated == "error":
        raise UsageError(f"{printable(path)}: step {min(twice)} came twice; --repeated first or last takes one of them")
    more = [row for own in twice.values() for row in own] if repeated == "keep" else []
    found = np.unique(np.concatenate([rows[alone], np.array([*kept.values(), *more], np.int64)]))
    return found[np.argsort(every[found], kind="stable")], [] if repeated == "keep" else sorted(twice)


def _settled(
    series: Series, rows: Sequence[int], turns: Sequence[int], path: str, repeated: str | None
) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Return the row to take of each step that is there more than once, and all rows with values of their own.

    `turns` has for each row where the steps went back last, or a file began.
    """
    steps, values = series.steps, series.values
    kept, twice = dict[int, int](), dict[int, list[int]]()
    for row, turn in zip(rows, turns, strict=True):
        step = steps[row]
        other = kept.setdefault(step, row)
        if other == row or same(values[row], values[other]):
            continue
        if turn <= other and repeated is None:
            raise _differ(series, path, step, other, row)
        twice.setdefault(step, [other]).append(row)
        if repeated != "first":
            kept[step] = row
    return kept, twice


def _differ(series: Series, path: str, step: int, one: int, other: int) -> InputError:
    what = f"step {step} is there with {series.values[one]:.6g} and {series.values[other]:.6g}"
    advice = (
        "ranks differ: norms of shards cannot be joined; give the log of a trainer that logs the norm over all ranks"
    )
    return InputError(f"{what}; {advice}", path=path)
