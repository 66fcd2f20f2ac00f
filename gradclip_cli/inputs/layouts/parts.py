"""Recognise the parts of a model that was saved by stages or ranks: files of one step with different tensors."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from gradclip_cli.inputs.headers import Header, disjoint_headers
from gradclip_cli.inputs.layouts.numbered import NUMBERED
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.name_numbers import apart, differ_in_one
from gradclip_cli.inputs.source import DumpSource, FoundDump
from gradclip_cli.inputs.steps import StepName, is_part, step_and_epoch, step_in_metadata, steps_by_pattern
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, shortlist

_MOST_FOLDERS = 1 << 10  # a series is in few


class _Kind(NamedTuple):
    """What the names of parts have in common: all but their numbers, and the step."""

    texts: tuple[str, ...]
    folder: str
    step: StepName


class PartsFinder:
    """Recognises files of one step whose names, or the folders of their ranks, differ in one number only.

    No tensor is in two of them.

    Headers are read only where a step has several such files, and no more once the first step shows that they are no parts.
    """

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield a dump for each step in parts."""
        others = set[tuple[str, ...]]()
        for kind, positions in _kinds(paths).items():
            files = tuple(dict.fromkeys(paths[k] for k in positions))
            if len(files) < 2 or kind.texts in others or not _may_be_parts(files, kind.step):
                continue
            if not _are_of_one_step(disjoint_headers(files)):
                others.add(kind.texts)
                continue
            yield FoundDump(DumpSource(files[0], files, NUMBERED, kind.step.step), positions, [_note(files)])


FINDER = PartsFinder()


def _kinds(paths: Sequence[str]) -> dict[_Kind, list[int]]:
    """Return the positions of the paths that have a number in their names, by what others have in common with them."""
    alike: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for position, path in enumerate(paths):
        folder, name = _split(path)
        texts = tuple(apart(name)[::2])
        if len(texts) > 1:
            alike.setdefault((folder, texts), []).append(position)
    kinds: dict[_Kind, list[int]] = {}
    for (folder, texts), positions in alike.items():
        for position in positions if len(positions) > 1 else ():
            kinds.setdefault(_Kind(texts, folder, step_and_epoch(paths[position])), []).append(position)
    return kinds


def _may_be_parts(files: Sequence[str], step: StepName) -> bool:
    """Whether names differ in one number only, which is no step."""
    if step.step is None and steps_by_pattern([_split(path)[1] for path in files[:2]])[0] is not None:
        return False  # so are all: if they differ in more than that number, they are no parts either
    return differ_in_one([apart(_split(path)[1]) for path in files])


def _are_of_one_step(headers: Sequence[Header]) -> bool:
    """Whether there are files, which say no different steps of themselves, and hold no series."""
    steps = {step_in_metadata(header.metadata) for header in headers}
    return len(steps) == 1 and not any(step_groups(header.names).groups for header in headers)


def _split(path: str) -> tuple[str, str]:
    """Split a path into folder and name; the folder of a rank or of another part belongs to the name.

    >>> _split("step_1/pp_rank_0/g.npz"), _split("step_1/g_rank_0.npz")
    (('step_1', 'pp_rank_0/g.npz'), ('step_1', 'g_rank_0.npz'))
    """
    folder, name = os.path.split(path)
    above, part = _part_of(folder)
    return above, f"{part}{name}"


@lru_cache(_MOST_FOLDERS)
def _part_of(folder: str) -> tuple[str, str]:
    """Split a folder before the name of a rank or of another part, which then ends in a separator."""
    above, inner = os.path.split(folder)
    return (above, os.path.join(inner, "")) if is_part(inner) else (folder, "")


def _note(files: Sequence[str]) -> Note:
    rest = shortlist([_split(path)[1] for path in files[1:]], 3)
    what = f"is one dump with {rest}, {plural(len(files), 'part')} of one step with different tensors"
    return Note("parts", f"{files[0]}: {what}; give each alone to take it for a dump", changes_figures=True)
