"""Recognise a series inside one file: a group for each training step, as in `step100/lstm/kernel`."""

from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.inputs.steps import WORDS, step_named
from gradclip_cli.notes import Note
from gradclip_cli.text import shortlist

_BEGINNINGS = frozenset(word[:2] for word in WORDS.split("|"))


class StepGroups(NamedTuple):
    """The groups of a series in the order of their steps, with the indices of their tensors; empty if a file is one dump.

    `names` are the names of the tensors inside their groups. `outside` are tensors outside all groups, which keep a file with
    step groups from being a series.
    """

    groups: dict[str, list[int]]
    names: list[str]
    outside: list[str]


def step_groups(names: Sequence[str]) -> StepGroups:
    """Return the step groups of a file by its tensor names: all tensors must be in groups named after two or more steps.

    >>> step_groups(["step2/w", "step1/w"])
    StepGroups(groups={'step1': [1], 'step2': [0]}, names=['w', 'w'], outside=[])
    >>> step_groups(["step2/w", "step1/w", "scale"])
    StepGroups(groups={}, names=[], outside=['scale'])
    """
    if not _may_hold_steps(names):
        return StepGroups({}, [], [])
    groups = [name.partition("/")[0] for name in names]
    steps = {group: step_named(group) for group in dict.fromkeys(groups)}
    if len(steps) < 2 or not any(step is not None for step in steps.values()):
        return StepGroups({}, [], [])
    if None in steps.values():
        outside = [name for name, group in zip(names, groups, strict=True) if steps[group] is None]
        return StepGroups({}, [], outside if len(set(steps.values())) > 2 else [])
    members: dict[str, list[int]] = {group: [] for group in sorted(steps, key=lambda group: steps[group] or 0)}
    for index, group in enumerate(groups):
        members[group].append(index)
    return StepGroups(members, [name.partition("/")[2] for name in names], [])


def _may_hold_steps(names: Sequence[str]) -> bool:
    """Whether any name begins as the word of a step does: most files need no list of a million groups to see that none does."""
    beginnings = {name[:2] for name in names}
    return any(not one.isascii() or one.lower() in _BEGINNINGS for one in beginnings)


def outside_note(path: str, outside: Sequence[str]) -> Note:
    """Note a file that is no series, since some of its tensors are in no group of a step."""
    what = f"it holds more than groups that are named after steps: {shortlist(list(outside), 4)}"
    return Note("no-series", f"{path}: taken for one dump, not for a series, since {what}")
