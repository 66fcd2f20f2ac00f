"""Settle what to do about several dumps of one step: other kinds of files, micro-batches, resumed runs, two runs.

Nothing is taken, left out or counted twice without a note.
"""

import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.kinds import is_gradient, kind_of, others_left
from gradclip_cli.inputs.listing import is_step_folder
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.repeats import repeated_note
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import is_part, step_in
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable, shortlist

Sources = list[DumpSource]

_VERSION = re.compile(r"v(?:ersion)?[-_]?\d", re.IGNORECASE)
"""The name of a run of PyTorch Lightning; a resumed one gets the next number."""


def of_one_kind(sources: Sequence[DumpSource]) -> tuple[Sources, list[Note]]:
    """Take one kind of files of each step and folder: gradients, if any are called so.

    What is left out of one step is left out of all, also of those that have no gradients. Raise UsageError if there are several
    kinds, and none or several are called after gradients.
    """
    steps = _Sorted([], [], [], [])
    for (folder, _), group in _together(sources).items():
        _sort(folder, group, steps)
    kinds = _kinds(steps.left) - _kinds(steps.chosen)
    without = [source for source in steps.alike if kind_of(source.location) in kinds] if kinds else []
    lost = set(map(id, without))
    taken = [*steps.chosen, *(source for source in steps.alike if id(source) not in lost)]
    if steps.chosen and not all(is_gradient(source.location) for source in taken):
        raise _several_kinds("", [steps.chosen[0], *(source for source in taken if not is_gradient(source.location))])
    lone = [source for source in sources if source.step is None]
    if steps.chosen:  # what is no gradient of a step is none without one
        without += [source for source in lone if not is_gradient(source.location)]
    kept = set(map(id, [*taken, *lone])).difference(map(id, without))
    found = [source for source in sources if id(source) in kept]
    return found, [*steps.notes, *map(_without_gradients, without), *_of_two_kinds(taken)]


class _Sorted(NamedTuple):
    """Of steps with files of several kinds, what is chosen and what is left; the files of steps that are all alike."""

    chosen: Sources
    left: Sources
    alike: Sources
    notes: list[Note]


def _sort(folder: str, group: Sources, steps: _Sorted) -> None:
    """Sort the dumps of one step and folder; raise UsageError if none, or several kinds, are called after gradients."""
    if len(group) == 1 or len(_kinds(group)) == 1:
        steps.alike.extend(group)
        return
    graded = [source for source in group if is_gradient(source.location)]
    if len(_kinds(graded)) != 1:
        raise _several_kinds(folder, graded or group)
    others = [source for source in group if source not in graded]
    steps.chosen.extend(graded)
    steps.left.extend(others)
    steps.notes.append(others_left(folder, graded[0].location, [source.location for source in others]))


def _kinds(sources: Iterable[DumpSource]) -> set[str]:
    return {kind_of(source.location) for source in sources}


def _without_gradients(source: DumpSource) -> Note:
    what = "is not called after gradients as those of other steps are, and left out"
    return Note("files-without-gradients", f"{source.location}: {what}; --files PATTERN chooses", changes_figures=True)


def _of_two_kinds(sources: Sequence[DumpSource]) -> list[Note]:
    """Note a series of which only some files are called after gradients."""
    graded = [source for source in sources if is_gradient(source.location)]
    if len(graded) in (0, len(sources)):
        return []
    other = next(source for source in sources if source not in graded)
    what = f"one series of {printable(graded[0].location)} and {printable(other.location)}, of which one is called after gradients"
    fewer = min(len(graded), len(sources) - len(graded))
    return [Note("kinds", f"{what}; --files PATTERN chooses", fewer, changes_figures=True)]


def refuse_micro_batches(sources: Sequence[DumpSource]) -> None:
    """Raise UsageError if several files of one step and folder differ by a second number only."""
    for (_, step), group in _together(sources).items():
        if len(group) > 1:
            first, second = (printable(group[k].location) for k in (0, 1))
            raise UsageError(
                f"{first} and {os.path.basename(second)} are both of step {step}: give --accumulate mean or sum if they are "
                "micro-batches, --shards if they hold pieces of the same tensors, or --repeated keep to take each for a dump"
            )


def _together(sources: Iterable[DumpSource]) -> dict[tuple[str, object], Sources]:
    """Group the dumps that have a step by their folder and step."""
    found: dict[tuple[str, object], Sources] = {}
    for source in sources:
        if source.step is not None:
            step = source.step if source.epoch is None else (source.epoch, source.step)
            found.setdefault((os.path.dirname(source.location), step), []).append(source)
    return found


def _several_kinds(folder: str, group: Sequence[DumpSource]) -> UsageError:
    names = list(dict.fromkeys(os.path.basename(source.location) for source in group))
    pattern = _pattern(names)
    example = "--files PATTERN" if pattern is None else f"--files '{pattern}'"
    where = printable(folder or ".")
    return UsageError(f"{where} holds several kinds of files of one step: {shortlist(names)}; choose with {example}")


def _pattern(names: Sequence[str]) -> str | None:
    """Return a pattern for the kind of the first of several names, by a word or else a suffix that the others lack."""
    words = [re.findall(r"[^\W\d_]+", os.path.splitext(name)[0]) for name in names]
    own = next((word for word in words[0] if all(word not in others for others in words[1:])), None)
    if own is None:
        suffix = os.path.splitext(names[0])[1]
        return None if any(name.endswith(suffix) for name in names[1:]) else f"*{suffix}"
    return f"{own}*" if names[0].startswith(own) else f"*{own}*"


def repeated_steps(sources: Sequence[DumpSource], choices: Choices) -> tuple[Sources, list[Note]]:
    """Take one dump of each step that is there twice, in different folders, as where a run was resumed.

    Raise UsageError if that is refused, or if the folders are two runs: both begin at the same step.
    """
    steps: dict[object, Sources] = {}
    for source in sources:
        if source.step is not None:
            steps.setdefault((source.epoch, source.step), []).append(source)
    twice = [group for group in steps.values() if len(group) > 1]
    if not twice or choices.repeated == "keep":
        return list(sources), []
    ordered = [sorted(group, key=lambda source: natural(source.location)) for group in twice]
    example = " and ".join(printable(source.location) for source in ordered[0][:2])
    if choices.repeated == "error":
        raise UsageError(f"{plural(len(twice), 'step')} came twice, such as {example}; --repeated first, last or keep")
    if choices.repeated is None:
        _refuse_parts(ordered[0])
        _refuse_two_runs(sources, ordered[0])
    which = choices.repeated or "last"
    left = {id(source) for group in ordered for source in (group[1:] if which == "first" else group[:-1])}
    note = repeated_note(len(twice), f", such as {example}", which)
    return [source for source in sources if id(source) not in left], [note]


def _refuse_parts(group: Sequence[DumpSource]) -> None:
    """Raise UsageError if dumps of one step lie in folders that are called after ranks or other parts."""
    folders = [os.path.dirname(source.location) for source in group]
    above = {(os.path.basename(folder), os.path.basename(os.path.dirname(folder))) for folder in folders}
    differing = {name for names in zip(*above, strict=True) if len(set(names)) > 1 for name in names}
    if any(is_part(name) and not _VERSION.match(name) for name in differing):
        one, other = (printable(source.location) for source in group[:2])
        raise UsageError(
            f"{one} and {other} are both of step {group[0].step}, in folders of parts: give --shards if they hold pieces of the "
            "same tensors, the folder of one part alone, or --repeated keep to take each for a dump"
        )


def _refuse_two_runs(sources: Sequence[DumpSource], pair: Sequence[DumpSource]) -> None:
    """Raise UsageError if two dumps of one step are of runs that begin at the same step."""
    firsts: dict[str, tuple[int, int]] = {}
    for source in sources:
        if source.step is not None:
            run, step = _run_of(source), (source.epoch or 0, source.step)
            firsts[run] = min(firsts.get(run, step), step)
    runs = list(dict.fromkeys(_run_of(source) for source in pair))
    if len(runs) > 1 and firsts[runs[0]] == firsts[runs[1]]:
        one, other = (printable(run or ".") for run in runs[:2])
        raise UsageError(
            f"{one} and {other} both begin at step {firsts[runs[0]][1]}, so they are "
            f"two runs and no series: give each alone, compare them by `gradclip diff {one} {other}`, "
            "or give --repeated keep, or --shards if they are of ranks"
        )


def _run_of(source: DumpSource) -> str:
    """Return the folder of the run that a dump belongs to: above its step folder, if the step is in that folder's name."""
    folder, name = os.path.split(source.location)
    own = step_in(name).step is not None
    return folder if own or not is_step_folder(folder) else os.path.dirname(folder)
