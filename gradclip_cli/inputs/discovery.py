"""Find the dumps that the paths of a user stand for, and put them in the order of their steps."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, TypeVar

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.folders import inside
from gradclip_cli.inputs.headers import header_of
from gradclip_cli.inputs.layouts import FINDERS, parts, ranks
from gradclip_cli.inputs.layouts.accumulated import accumulated
from gradclip_cli.inputs.listing import is_folder
from gradclip_cli.inputs.same_file import once_each, without_copies
from gradclip_cli.inputs.same_step import of_one_kind, refuse_micro_batches, repeated_steps
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_and_epoch, step_in_metadata, steps_by_pattern
from gradclip_cli.notes import Note
from gradclip_cli.storage.streams import STANDARD, check_input, stream_name
from gradclip_cli.text import did_you_mean, printable, shortlist

Item = TypeVar("Item")


class Found(NamedTuple):
    """The dumps that paths stand for, and notes on what was taken for what."""

    sources: tuple[DumpSource, ...]
    notes: tuple[Note, ...] = ()


def find_dumps(paths: Sequence[str], choices: Choices = DEFAULT) -> Found:
    """Return the dumps that paths stand for; a directory stands for the dumps in it, `-` for standard input.

    Raise InputError if a path does not exist or a directory holds no dump, and UsageError if no path is given, or if files
    cannot be told to be one dump or several.
    """
    if not paths:
        raise UsageError("give at least one dump, or a directory of dumps")
    given = [stream_name(path, 0) for path in paths]
    if STANDARD in given:
        _check_standard_input(given)
        if choices.files:
            raise UsageError("--files chooses by the names of files, and standard input has none")
    for path in given:
        if path != STANDARD and not os.path.lexists(path):
            raise InputError(f"does not exist; {_near(path)}", path=path)
    files, notes = _expanded(given, choices)
    sources, said = combined(files, choices)
    notes += said
    if choices.everything:
        return Found(sources, tuple(notes))
    return _settled(sources, notes, choices)


def _expanded(given: Sequence[str], choices: Choices) -> tuple[list[str], list[Note]]:
    """Replace folders by the dumps in them; of files, take those that the user wants."""
    files, notes = list[str](), list[Note]()
    for path in given:
        if is_folder(path):
            found = inside(path, choices)
            files += found.paths
            notes += found.notes
        elif path == STANDARD or choices.takes(path):
            files.append(path)
    if not files:
        raise UsageError(f"--files {' '.join(choices.files)} takes none of {shortlist(list(given), 4)}")
    return files, notes


def _settled(sources: Sequence[DumpSource], notes: list[Note], choices: Choices) -> Found:
    """Give each dump its step, and settle what to do about several dumps of one step."""
    together = choices.shards or choices.accumulate is not None
    found, left = (_with_steps(sources, choices), []) if together else once_each(_with_steps(sources, choices))
    found, copies = without_copies(found)
    found, others = of_one_kind(found)
    notes += [*left, *copies, *others]
    if choices.shards and not (choices.alone and len(found) == 1):
        return Found(ranks.by_rank(found), tuple(notes))
    if choices.accumulate is not None:
        found = list(accumulated(found, choices.accumulate))
    elif choices.repeated is None:
        refuse_micro_batches(found)
    found, repeated = repeated_steps(found, choices)
    found, epochs = _numbered_by_epoch(found)
    return Found(tuple(found), (*notes, *repeated, *epochs, *_without_step(found), *ranks.hint(found)))


def _with_steps(sources: Sequence[DumpSource], choices: Choices) -> list[DumpSource]:
    """Return several dumps with the steps and epochs in their names, or with what a file without a step says of itself.

    If no name has a word for steps, the number in which names differ is the step.
    """
    found = [source if source.step is None or source.layout.single else _with_epoch(source) for source in sources]
    if len(found) < 2:
        return found
    if all(source.step is None for source in found):
        steps = _numbers([source.location for source in found])
        found = [source._replace(step=step) for source, step in zip(found, steps, strict=True)]
    if choices.shards:  # all files without a step are of one
        return found
    with one_call():
        return [_with_own_step(source) if source.step is None else source for source in found]


def _numbers(paths: Sequence[str]) -> list[int | None]:
    """Return the one number in which the names of files differ, or else those of their folders."""
    steps = steps_by_pattern([os.path.basename(path) for path in paths])
    if any(step is not None for step in steps):
        return steps
    return steps_by_pattern([os.path.basename(os.path.dirname(os.path.abspath(path))) for path in paths])


def _with_own_step(source: DumpSource) -> DumpSource:
    """Read the step that the first file of a dump says of itself; an npz file has no place for it."""
    if source.location == STANDARD or source.files[0].lower().endswith(".npz"):
        return source
    header = header_of(source.files[0])
    return source if header is None else source._replace(step=step_in_metadata(header.metadata))


def _with_epoch(source: DumpSource) -> DumpSource:
    epoch = step_and_epoch(source.location).epoch
    return source if epoch is None else source._replace(epoch=epoch)


def _numbered_by_epoch(sources: Sequence[DumpSource]) -> tuple[list[DumpSource], list[Note]]:
    """If steps come back in each epoch, number the dumps in the order of epochs and steps, and name both."""
    epochs: dict[int, set[int | None]] = {}
    for source in sources:
        if source.step is not None:
            epochs.setdefault(source.step, set()).add(source.epoch)
    if all(len(found) == 1 for found in epochs.values()):
        return list(sources), []
    first = [source for source in sources if source.step is not None]
    first.sort(key=lambda source: (source.epoch is not None, source.epoch or 0, source.step or 0))
    named = [source._replace(step=k, name=_name(source)) for k, source in enumerate(first)]
    what = f"steps come back in each epoch, so they are numbered anew: step 0 is {printable(first[0].location)}"
    return [*named, *(source for source in sources if source.step is None)], [Note("epochs", what)]


def _name(source: DumpSource) -> str | None:
    word = "batch" if "batch" in os.path.basename(source.location).lower() else "step"
    return None if source.epoch is None else f"epoch {source.epoch} {word} {source.step}"


def _without_step(sources: Sequence[DumpSource]) -> list[Note]:
    """Note the dumps without a step among others that have one."""
    lone = [source for source in sources if source.step is None and source.location != STANDARD]
    if not lone or all(source.step is None for source in sources):
        return []
    return [Note("no-step", f"{source.location}: its name holds no step, so it comes last") for source in lone]


def find_one(path: str, choices: Choices = DEFAULT) -> Found:
    """Return the one dump that a path stands for: a file, or the only dump of a directory; raise UsageError for several.

    Only the files of a directory are accumulated, or are those of ranks; one dump is taken as it is, with a note.
    """
    if choices.accumulate is not None and not is_folder(path):
        choices = replace(choices, accumulate=None)
    found = find_dumps([path], replace(choices, alone=True))
    if len(found.sources) > 1:
        raise UsageError(f"{printable(path)} holds {_several(found.sources)}")
    if choices.shards and not ranks.are_in(found.sources):
        what = "is one dump and no set of ranks, so its tensors are taken for whole ones"
        return found._replace(notes=(*found.notes, Note("whole", f"{found.sources[0].location}: {what}")))
    return found


def _several(sources: Sequence[DumpSource]) -> str:
    """Say how many dumps there are, and how to give one."""
    example = printable(sources[0].location)
    if ranks.are_in(sources):
        return f"the ranks of {len(sources):,} steps; give one step: its directory, or --files PATTERN"
    advice = f"give one dump, such as {example}"
    return f"{len(sources):,} dumps; {advice}" + (", or --shards for all ranks" if ranks.hint(sources) else "")


def combined(paths: Sequence[str], choices: Choices = DEFAULT) -> Found:
    """Group files and folders into dumps: each layout takes what it recognises among the paths that earlier ones left."""
    left, found, notes = list(range(len(paths))), dict[int, DumpSource](), list[Note]()
    for finder in FINDERS:
        if (choices.shards or choices.everything) and finder is parts.FINDER:  # it does not matter, or is settled
            continue
        taken: set[int] = set()
        for source, positions, said in finder.find([paths[k] for k in left]):
            found.setdefault(left[positions[0]], source)
            taken.update(left[k] for k in positions)
            notes += said
        left = [k for k in left if k not in taken] if taken else left
    return Found(tuple(found[k] for k in sorted(found)), tuple(notes))


def in_step_order(sources: Sequence[DumpSource]) -> list[DumpSource]:
    """Sort dumps by step, before any is read; what has no step comes last."""
    return by_step(sources, lambda source: source.step)


def by_step(items: Sequence[Item], step: Callable[[Item], int | None]) -> list[Item]:
    """Sort items by training step; what has no step comes last, in the order given.

    >>> by_step(["b3", "z", "a1"], lambda name: int(name[1]) if name[1:] else None)
    ['a1', 'b3', 'z']
    """
    return sorted(items, key=lambda item: (step(item) is None, step(item) or 0))


def _near(path: str) -> str:
    """Suggest an existing file with a similar name."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        return did_you_mean(name, os.listdir(folder or "."), "check the path")
    return f"there is no directory {printable(folder)}"


def _check_standard_input(paths: Sequence[str]) -> None:
    if paths.count(STANDARD) > 1:
        raise UsageError("standard input can be read only once; give - once")
    check_input()
