"""Find the dumps that the paths of a user stand for, and settle which of them are one series."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.dumps_of_steps import of_steps
from gradclip_cli.inputs.folders import inside
from gradclip_cli.inputs.kinds import kind_of
from gradclip_cli.inputs.layouts import FINDERS, captured, parts, ranks
from gradclip_cli.inputs.layouts.accumulated import accumulated
from gradclip_cli.inputs.listing import is_folder
from gradclip_cli.inputs.ordering import numbered_by_epoch, with_steps, without_step
from gradclip_cli.inputs.same_file import once_each, without_copies
from gradclip_cli.inputs.same_step import of_one_kind, refuse_micro_batches, repeated_steps
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.storage import location_names, locations
from gradclip_cli.storage.streams import STANDARD, check_input, stream_name
from gradclip_cli.text import did_you_mean, printable, shortlist

_LIKE = 0.65
"""How like the name of a file must be to one that is not there to be suggested, from 0 to 1."""


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
        if path != STANDARD and not locations.exists(path):
            raise InputError(f"does not exist; {_near(path)}", path=path)
    files, notes = _expanded(given, choices)
    sources, said = combined(files, choices)
    notes += said
    if choices.everything:
        kept, left = once_each(list(sources if choices.steps is None else with_steps(sources)), copies=True)
        return _of_steps(Found(tuple(kept), (*notes, *left)), choices)
    found = _of_steps(_settled(sources, notes, choices), choices)
    return found._replace(notes=(*found.notes, *_kinds_without_steps(found.sources, given)))


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


def _of_steps(found: Found, choices: Choices) -> Found:
    """Leave out the dumps of steps that the user does not want."""
    if choices.steps is None:
        return found
    sources, notes = of_steps(found.sources, choices.steps, choices.whole_files)
    kept = [note for note in found.notes if note.kind != "no-step"]  # what has no step is not last, but left out
    return Found(tuple(sources), (*kept, *notes))


def _settled(sources: Sequence[DumpSource], notes: list[Note], choices: Choices) -> Found:
    """Give each dump its step, and settle what to do about several dumps of one step."""
    together = choices.shards or choices.accumulate is not None
    found, left = (with_steps(sources), []) if together else once_each(with_steps(sources))
    found, copies = without_copies(found)
    found, others = of_one_kind(found)
    notes += [*left, *copies, *others]
    if choices.shards and not (choices.alone and len(found) == 1):
        found, epochs = numbered_by_epoch(ranks.by_rank(found))
        return Found(tuple(found), (*notes, *epochs))
    if choices.accumulate is not None:
        found = list(accumulated(found, choices.accumulate))
    elif choices.repeated is None:
        refuse_micro_batches(found)
    found, repeated = repeated_steps(found, choices)
    found, epochs = numbered_by_epoch(found)
    hints = ranks.hint([source for source in found if source.step is None])
    return Found(tuple(found), (*notes, *repeated, *epochs, *without_step(found), *hints))


def _kinds_without_steps(sources: Sequence[DumpSource], given: Sequence[str]) -> list[Note]:
    """Note files of several kinds in a folder that no step tells apart: all of them are taken for dumps of one series."""
    if len(sources) < 2 or any(source.step is not None for source in sources):
        return []
    folders = {location_names.normal(path) for path in given}
    files = [one.location for one in sources if location_names.normal(os.path.dirname(one.location) or ".") in folders]
    kinds = {kind_of(path): os.path.basename(path) for path in files}
    what = f"no steps are known, so {shortlist(list(kinds.values()), 4)} are taken for a series in this order"
    text = f"{os.path.dirname(sources[0].location)}: {what}; --files PATTERN chooses among them"
    return [Note("kinds", text, len(kinds), changes_figures=True)] if len(kinds) > 1 else []


def find_one(path: str, choices: Choices = DEFAULT) -> Found:
    """Return the one dump that a path stands for: a file, or the only dump of a directory; raise UsageError for several."""
    found = find_side(path, choices)
    if len(found.sources) > 1:
        raise UsageError(f"{printable(path)} holds {_several(found.sources)}")
    return found


def find_side(path: str, choices: Choices = DEFAULT) -> Found:
    """Return what one side of a comparison stands for: a dump, or the dumps of a run in a directory.

    Only the files of a directory are accumulated, or are those of ranks; one dump is taken as it is, with a note.
    """
    if choices.accumulate is not None and not is_folder(path):
        choices = replace(choices, accumulate=None)
    found = find_dumps([path], replace(choices, alone=True))
    if choices.shards and not ranks.are_in(found.sources):
        what = "is one dump and no set of ranks, so its tensors are taken for whole ones"
        return found._replace(notes=(*found.notes, Note("no-ranks", f"{found.sources[0].location}: {what}")))
    return found


def _several(sources: Sequence[DumpSource]) -> str:
    """Say how many dumps there are, and how to give one."""
    example, step = printable(sources[0].location), next((one.step for one in sources if one.step is not None), None)
    if ranks.are_in(sources):
        return f"the ranks of {len(sources):,} steps; give one step: its directory, or --files PATTERN"
    advice = f"give one dump, such as {example}" + (f", or one step by --step {step}" if step is not None else "")
    return f"{len(sources):,} dumps; {advice}" + (", or --shards for all ranks" if ranks.hint(sources) else "")


def combined(paths: Sequence[str], choices: Choices = DEFAULT) -> Found:
    """Group files and folders into dumps: each layout takes what it recognises among the paths that earlier ones left."""
    left, found, notes = list(range(len(paths))), dict[int, DumpSource](), list[Note]()
    for finder in FINDERS:
        settled = choices.shards or (choices.everything and finder is parts.FINDER)
        if settled and finder in (parts.FINDER, captured.FINDER):  # by the user
            continue
        taken: set[int] = set()
        for source, positions, said in finder.find([paths[k] for k in left]):
            found.setdefault(left[positions[0]], source)
            taken.update(left[k] for k in positions)
            notes += said
        left = [k for k in left if k not in taken] if taken else left
    return Found(tuple(found[k] for k in sorted(found)), tuple(notes))


def _near(path: str) -> str:
    """Suggest an existing file with a similar name."""
    folder, name = os.path.split(path)
    remote = locations.is_remote(path)
    if locations.is_remote(folder) is remote:  # what is above a bucket is neither
        with suppress(OSError, InputError):  # a store may not list what it holds
            return did_you_mean(name, locations.names(folder or "."), "check the path", _LIKE)
    return "check the name" if remote else f"there is no directory {printable(folder)}"


def _check_standard_input(paths: Sequence[str]) -> None:
    if paths.count(STANDARD) > 1:
        raise UsageError("standard input can be read only once; give - once")
    check_input()
