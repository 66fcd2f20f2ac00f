"""Settle steps that stand in a log more than once: several ranks print them, or a run was resumed."""

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series, same
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable
from gradclip_cli.thresholds.samples import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OFTEN = 20
"""Where steps go back more often than once in so many values, these are lines of ranks in disorder, and no resumed runs."""


def once_a_step(
    series: Series, path: str, repeated: str | None = None, like: Series | None = None
) -> tuple[Series, list[Note]]:
    """Return one value a step, in the order of steps, and notes.

    Steps that come back in each epoch are numbered on. Of several runs, one after the other, the last is taken. The same value
    of a step twice counts once. Of others, that of the resumed run is taken, which goes back to steps that were there,
    or what `repeated` says. What is `like` another series is settled as that was. Raise InputError if values of one step differ
    otherwise: they are norms of shards.
    """
    if like is not None and like.parted and like.rows is not None:
        found = series.taken(like.rows)
        found.steps = like.steps
        return found, []
    every = np.frombuffer(series.steps, np.int64)
    if not series.has_steps or (every[0] != NO_STEP and (np.diff(every) > 0).all()):
        return series, []
    notes, rows = list[Note](), np.flatnonzero(every != NO_STEP)
    if left := len(every) - len(rows):
        what = f"{plural(left, 'norm')} without a step {'is' if left == 1 else 'are'} left out"
        notes.append(Note("no-step", f"{path}: {what}", left, changes_figures=True))
    if repeated is None and _by_epoch(series):
        return _numbered_on(series, rows, path, notes)
    rows, several = _one_run(series, rows, path, repeated)
    taken, twice = _once(series, rows, path, repeated)
    if twice:
        which, example = repeated or "last", printable(path)
        what = f"steps go back to {twice[0]}, as in a run that was resumed: {plural(len(twice), 'step')} came twice"
        choice = "--repeated first, keep or error chooses otherwise"
        text = f"{example}: {what}; the {which} of each is taken; {choice}"
        notes.append(Note("resumed", text, len(twice), changes_figures=True))
    found = series.taken(taken)
    found.parted = bool(several)
    return found, [*notes, *several]


def _restarts(series: Series) -> list[tuple[int, float | None]]:
    """Return the rows at which steps begin anew at that of the first row, with their epochs."""
    if not series.turns:
        return []
    first = series.steps[series.turns[0][0]]
    return [(row, epoch) for row, epoch in series.turns if series.steps[row] == first]


def _by_epoch(series: Series) -> bool:
    """Whether steps begin anew in each epoch."""
    restarts = _restarts(series)
    epochs = [epoch for _, epoch in restarts if epoch is not None]
    grows = all(one < other for one, other in pairwise(epochs))
    return len(restarts) > 1 and len(epochs) == len(restarts) == len(series.turns) and grows


def _numbered_on(series: Series, rows: "NDArray[np.int64]", path: str, notes: list[Note]) -> tuple[Series, list[Note]]:
    """Number the steps of each epoch on from those of the one before."""
    every = np.frombuffer(series.steps, np.int64)
    begins, steps, end = [row for row, _ in _restarts(series)], every.copy(), -1
    gaps = np.diff(every[rows])
    gap = int(median(gaps[gaps > 0])) if (gaps > 0).any() else 1
    example = 0
    for k, (begin, stop) in enumerate(zip(begins, [*begins[1:], len(every)], strict=True)):
        part = slice(begin, stop)
        known = every[part] != NO_STEP
        if k:
            steps[part][known] += end + gap - int(every[begin])
            example = example or int(steps[begin])
        end = int(steps[part][known].max())
    anew = series.taken(np.arange(len(every)))
    anew.steps = array("q", steps.tobytes())
    taken, _ = _once(anew, rows, path, None)
    found = anew.taken(taken)
    found.parted = True
    what = f"steps come back in each of {len(begins):,} epochs, so they are numbered on: the second begins at {example}"
    return found, [*notes, Note("epochs", f"{path}: {what}", changes_figures=True)]


def _one_run(
    series: Series, rows: "NDArray[np.int64]", path: str, repeated: str | None
) -> tuple["NDArray[np.int64]", list[Note]]:
    """Return the rows of the last of several runs, or the first if `repeated` says so, and a note if others differ from it."""
    begins = [row for row, _ in _restarts(series)]
    if len(begins) < 2 or repeated not in (None, "first", "last"):
        return rows, []
    taken = rows[rows < begins[1]] if repeated == "first" else rows[rows >= begins[-1]]
    known = {series.steps[row]: series.values[row] for row in taken.tolist()}
    left = np.setdiff1d(rows, taken, assume_unique=True).tolist()
    if all(series.steps[row] in known and same(known[series.steps[row]], series.values[row]) for row in left):
        return taken, []
    which, number = repeated or "last", plural(len(known), "step")
    what = f"steps begin anew at {series.steps[begins[-1]]}, as where {len(begins):,} runs write to one file"
    text = (
        f"{path}: {what}; the {which} of them, of {number}, is taken; --repeated first, last or keep chooses otherwise"
    )
    return taken, [Note("several-runs", text, changes_figures=True)]


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
