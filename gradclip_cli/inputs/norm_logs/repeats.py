"""Settle steps that stand in a log more than once: several ranks print them, or a run was resumed."""

from collections.abc import Sequence

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series, same
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable

_OFTEN = 20
"""Where steps go back more often than once in so many values, these are lines of ranks in disorder, and no resumed runs."""


def once_a_step(series: Series, path: str, repeated: str | None = None) -> tuple[Series, list[Note]]:
    """Return one value a step, in the order of steps, and notes.

    The same value twice counts once. Of others, that of the resumed run is taken, which goes back to steps that were there,
    or what `repeated` says. Raise InputError if values of one step differ otherwise: they are norms of shards.
    """
    if not series.has_steps or _grows(series.steps):
        return series, []
    notes, rows = list[Note](), [row for row, step in enumerate(series.steps) if step != NO_STEP]
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
    return series.taken(sorted(taken, key=lambda row: (series.steps[row], row))), notes


def _grows(steps: Sequence[int]) -> bool:
    before = NO_STEP
    for step in steps:
        if step <= before:
            return False
        before = step
    return True


def _once(series: Series, rows: list[int], path: str, repeated: str | None) -> tuple[list[int], list[int]]:
    """Return the rows to take, and the steps of which there are several values."""
    steps, values = series.steps, series.values
    kept, twice, turn, turns, before = dict[int, int](), dict[int, list[int]](), 0, 0, NO_STEP
    for row in rows:
        step = steps[row]
        if step < before or row in series.begins:
            turn, turns = row, turns + (step < before)
        before = step
        other = kept.setdefault(step, row)
        if other == row or same(values[row], values[other]):
            continue
        if turn <= other and repeated is None:
            raise _differ(series, path, step, other, row)
        twice.setdefault(step, [other]).append(row)
        if repeated != "first":
            kept[step] = row
    if twice and repeated is None and turns > 3 and turns * _OFTEN > len(rows):
        step, pair = next(iter(twice.items()))
        raise _differ(series, path, step, *pair[:2])
    if twice and repeated == "error":
        raise UsageError(f"{printable(path)}: step {min(twice)} came twice; --repeated first or last takes one of them")
    if repeated == "keep":
        return [*kept.values(), *(row for own in twice.values() for row in own if row != kept[steps[row]])], []
    return list(kept.values()), sorted(twice)


def _differ(series: Series, path: str, step: int, one: int, other: int) -> InputError:
    what = f"step {step} is there with {series.values[one]:.6g} and {series.values[other]:.6g}"
    advice = (
        "ranks differ: norms of shards cannot be joined; give the log of a trainer that logs the norm over all ranks"
    )
    return InputError(f"{what}; {advice}", path=path)
