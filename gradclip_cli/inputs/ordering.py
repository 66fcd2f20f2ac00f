"""Give dumps their steps, and put them in order."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from gradclip_cli.formats.sharing import one_call
from gradclip_cli.inputs.headers import header_of
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_and_epoch, step_in_metadata, steps_by_pattern
from gradclip_cli.notes import Note
from gradclip_cli.storage.location_names import absolute
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import printable

Item = TypeVar("Item")


def with_steps(sources: Sequence[DumpSource]) -> list[DumpSource]:
    """Return several dumps with the steps and epochs in their names, or with what a file without a step says of itself.

    If no name has a word for steps, the number in which names differ is the step.
    """
    found = [source if source.step is None or source.layout.single else _with_epoch(source) for source in sources]
    if len(found) < 2:
        return found
    if all(source.step is None for source in found):
        steps = numbers_in([source.location for source in found])
        found = [source._replace(step=step) for source, step in zip(found, steps, strict=True)]
    with one_call():
        return [_with_own_step(source) if source.step is None else source for source in found]


def numbers_in(paths: Sequence[str]) -> list[int | None]:
    """Return the one number in which the names of files differ, or else those of their folders; None for all if there is none."""
    steps = steps_by_pattern([os.path.basename(path) for path in paths])
    if any(step is not None for step in steps):
        return steps
    return steps_by_pattern([os.path.basename(os.path.dirname(absolute(path))) for path in paths])


def _with_own_step(source: DumpSource) -> DumpSource:
    """Read the step that the first file of a dump says of itself; an npz file has no place for it."""
    if source.location == STANDARD or source.files[0].lower().endswith(".npz"):
        return source
    header = header_of(source.files[0])
    return source if header is None else source._replace(step=step_in_metadata(header.metadata))


def _with_epoch(source: DumpSource) -> DumpSource:
    epoch = step_and_epoch(source.location).epoch
    return source if epoch is None else source._replace(epoch=epoch)


def numbered_by_epoch(sources: Sequence[DumpSource]) -> tuple[list[DumpSource], list[Note]]:
    """If steps come back in each epoch, number the dumps in the order of epochs and steps, and name both."""
    epochs: dict[int, set[int | None]] = {}
    for source in sources:
        if source.step is not None:
            epochs.setdefault(source.step, set()).add(source.epoch)
    if all(len(found) == 1 for found in epochs.values()):
        return list(sources), []
    first = [source for source in sources if source.step is not None]
    first.sort(key=lambda source: (source.epoch is not None, source.epoch or 0, source.step or 0))
    named = [source._replace(step=k, name=epoch_name(source)) for k, source in enumerate(first)]
    what = f"steps come back in each epoch, so they are numbered anew: step 0 is {printable(first[0].location)}"
    return [*named, *(source for source in sources if source.step is None)], [Note("epochs", what)]


def epoch_name(source: DumpSource) -> str | None:
    """Return the name of a step that comes back in each epoch; None if its epoch is not known."""
    word = "batch" if "batch" in os.path.basename(source.location).lower() else "step"
    return None if source.epoch is None else f"epoch {source.epoch} {word} {source.step}"


def without_step(sources: Sequence[DumpSource]) -> list[Note]:
    """Note the dumps without a step among others that have one."""
    lone = [source for source in sources if source.step is None and source.location != STANDARD]
    if not lone or all(source.step is None for source in sources):
        return []
    return [Note("no-step", f"{source.location}: its name holds no step, so it comes last") for source in lone]


def in_step_order(sources: Sequence[DumpSource]) -> list[DumpSource]:
    """Sort dumps by step, before any is read; what has no step comes last."""
    return by_step(sources, lambda source: source.step)


def by_step(items: Sequence[Item], step: Callable[[Item], int | None]) -> list[Item]:
    """Sort items by training step; what has no step comes last, in the order given.

    >>> by_step(["b3", "z", "a1"], lambda name: int(name[1]) if name[1:] else None)
    ['a1', 'b3', 'z']
    """
    return sorted(items, key=lambda item: (step(item) is None, step(item) or 0))
