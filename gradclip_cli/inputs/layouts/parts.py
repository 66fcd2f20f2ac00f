"""Recognise the parts of a model that was saved by stages or ranks: files of one step with different tensors."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.inputs.headers import disjoint_names
from gradclip_cli.inputs.layouts.numbered import NUMBERED
from gradclip_cli.inputs.source import DumpSource, FoundDump
from gradclip_cli.inputs.steps import StepName, step_and_epoch, steps_by_pattern
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, shortlist

_NUMBER = re.compile(r"(\d+)")


class _Kind(NamedTuple):
    """What the names of parts have in common: all but their numbers, and the step."""

    texts: tuple[str, ...]
    folder: str
    step: StepName


class PartsFinder:
    """Recognises files of one step whose names differ in one number only, if no tensor is in two of them.

    Headers are read only where a step has several such files, and no more once the first step shows that they are no parts.
    """

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield a dump for each step in parts."""
        kinds: dict[_Kind, list[int]] = {}
        for position, path in enumerate(paths):
            folder, name = os.path.split(path)
            texts = tuple(_NUMBER.split(name)[::2])
            if len(texts) > 1:
                kinds.setdefault(_Kind(texts, folder, step_and_epoch(path)), []).append(position)
        others = set[tuple[str, ...]]()
        for kind, positions in kinds.items():
            files = tuple(dict.fromkeys(paths[k] for k in positions))
            if len(files) < 2 or kind.texts in others or not _may_be_parts(files, kind.step):
                continue
            if not disjoint_names(files):
                others.add(kind.texts)
                continue
            yield FoundDump(DumpSource(files[0], files, NUMBERED, kind.step.step), positions, [_note(files)])


FINDER = PartsFinder()


def _may_be_parts(files: Sequence[str], step: StepName) -> bool:
    """Whether names differ in one number only, which is no step."""
    names = [_NUMBER.split(os.path.basename(path))[1::2] for path in files]
    varying = sum(len(set(numbers)) > 1 for numbers in zip(*names, strict=True))
    if varying != 1:
        return False
    return step.step is not None or steps_by_pattern([os.path.basename(path) for path in files])[0] is None


def _note(files: Sequence[str]) -> Note:
    rest = shortlist([os.path.basename(path) for path in files[1:]], 3)
    what = f"is one dump with {rest}, {plural(len(files), 'part')} of one step with different tensors"
    return Note("parts", f"{files[0]}: {what}; give each alone to take it for a dump", changes_figures=True)
