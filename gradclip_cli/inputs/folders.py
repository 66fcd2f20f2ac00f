"""Expand a folder into its dumps, and note what in it is left out."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.formats import suffixes
from gradclip_cli.formats.foreign import advice
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.kinds import gradients_of
from gradclip_cli.inputs.layouts import FINDERS, params
from gradclip_cli.inputs.listing import Listing, dump_files, folders_with_dumps, is_step_folder, is_unfinished, listed
from gradclip_cli.inputs.steps import is_part, step_in
from gradclip_cli.notes import Note
from gradclip_cli.storage import locations
from gradclip_cli.text import printable, shortlist

ENDINGS = tuple(ending for finder in FINDERS for ending in finder.endings)
"""The endings of files that mark a dump of several files."""

_LOGS = ("trainer_state.json", "metrics.csv", "scalars.json", "output.log", os.path.join("files", "output.log"))
_EVENTS = ".tfevents."
_NORM = re.compile(rb"(?i)(?:\bg|grad(?:ient)?s?)[ _-]?(?:2\.0_|l2_)?norm|(?:l2|total)_norm/grad")
_LONGEST_LOG = 1 << 24
_MOST_LOGS = 3


class Inside(NamedTuple):
    """The paths of dumps in a folder, and notes on what is left out."""

    paths: list[str]
    notes: list[Note]


def inside(folder: str, choices: Choices) -> Inside:
    """Return the dumps in a folder: its files, or else those in its folders of steps or of ranks.

    A folder with one parameter a file is a dump itself.

    Raise InputError if there is none, and UsageError if --files takes none of them.
    """
    listing = listed(folder, ENDINGS)
    found, notes = _inside(folder, listing, choices)
    if not found:
        raise _nothing(folder, listing, choices)
    return Inside(found, [*notes, *_others_left(folder, listing, found), *_logs(folder, found)])


def _inside(folder: str, listing: Listing, choices: Choices) -> Inside:
    # A file whose ending marks a whole dump decides without opening any file.
    marked = any(path.endswith(ENDINGS) for path in listing.files)
    if listing.files and not choices.files and not marked and (manner := params.manner_of(listing.files)) is not None:
        return Inside([folder], params.manner_notes(folder, listing.files, manner))
    files, notes = [path for path in listing.files if choices.takes(path)], list[Note]()
    have_steps = any(step_in(os.path.basename(path)).step is not None for path in files)
    if not have_steps and not is_step_folder(folder):
        files, notes = gradients_of(files, folder, choices)  # kinds of files of one step are told apart over all steps
    notes += [Note("dead-link", f"{path}: is a link to nothing, left out") for path in listing.dead_links]
    notes += _unfinished(listing.folders)
    steps = {path: listed(path, ENDINGS) for path in listing.folders if is_step_folder(path)}
    if not steps and not files:
        steps = {path: listed(path, ENDINGS) for path in listing.folders if is_part(os.path.basename(path))}
    if have_steps:
        return Inside(files, notes + _folders_left(folder, steps))
    parts = [_inside(path, inner, choices) for path, inner in steps.items()]
    if below := [path for part in parts for path in part.paths]:
        return Inside(below, [*notes, *(note for part in parts for note in part.notes), *_files_left(files)])
    if not files and (inner := params.folder_below(listing.folders)) is not None:
        return Inside([inner], notes)
    return Inside(files, notes)


def _unfinished(folders: Sequence[str]) -> list[Note]:
    """Note the folders of steps that a trainer has not written to the end."""
    what = "is called as a step that is not written to the end, and left out; give it by itself to take it"
    left = [path for path in folders if is_unfinished(path) and step_in(os.path.basename(path)).step is not None]
    return [Note("unfinished", f"{path}: {what}") for path in left]


def _folders_left(folder: str, steps: Mapping[str, Listing]) -> list[Note]:
    """Note the folders of steps beside files that have steps themselves."""
    left = [os.path.basename(path) for path, inner in steps.items() if inner.files]
    what = f"files of steps are taken, the folders beside them left out: {shortlist(left)}; give those to take them"
    return [Note("folders-left-out", f"{folder}: {what}", len(left), changes_figures=True)] if left else []


def _others_left(folder: str, listing: Listing, found: Sequence[str]) -> list[Note]:
    """Note the folders in a folder that hold dumps, too, and that none of those taken are in."""
    if found == [folder]:
        return []
    other = [path for path in listing.folders if not is_step_folder(path) and not is_unfinished(path)]
    other = [path for path in other if not any(one.startswith(path + os.sep) or one == path for one in found[:1])]
    left = folders_with_dumps([path for path in other if not is_part(os.path.basename(path))])
    what = f"folders in it that hold dumps, too, are left out: {shortlist(left, 4)}; give those to take them"
    return [Note("other-folders", f"{folder}: {what}", len(left))] if left else []


def _files_left(files: Sequence[str]) -> list[Note]:
    """Note the files beside the folders of steps."""
    what = "stands beside folders of steps and is left out; give it by itself to take it"
    return [Note("files-left-out", f"{path}: {what}", changes_figures=True) for path in files]


def _logs(folder: str, found: Sequence[str]) -> list[Note]:
    """Note the logs beside dumps that hold norms, too."""
    places = dict.fromkeys([folder, os.path.dirname(found[-1])])
    logs = [path for place in places for path in _logs_in(place) if _holds_norms(path)]
    return [
        Note("trainer-log", f"{path}: is a log that holds norms, too; it is not read here")
        for path in logs[-_MOST_LOGS:]
    ]


def _logs_in(folder: str) -> list[str]:
    """Return the files of a folder that are called as trainers call their logs, whether or not they are there."""
    with suppress(OSError):
        events = [name for name in locations.names(folder) if _EVENTS in name]
        return [os.path.join(folder, name) for name in (*events, *_LOGS)]
    return []


def _holds_norms(path: str) -> bool:
    with suppress(OSError):
        if locations.is_file(path):
            return _NORM.search(next(locations.blocks(path, _LONGEST_LOG), b"")) is not None
    return False


def _nothing(folder: str, listing: Listing, choices: Choices) -> InputError | UsageError:
    """Return the error for a folder in which nothing is found."""
    steps = [path for path in listing.folders if is_step_folder(path)]
    every = listing.files or [file for step in steps for file in dump_files(step, ENDINGS)]
    if every and choices.files:
        names = shortlist(list(dict.fromkeys(map(os.path.basename, every))), 4)
        return UsageError(f"--files {' '.join(choices.files)} takes none of the files in {printable(folder)}: {names}")
    if others := folders_with_dumps(listing.folders):
        what = f"no dump in this directory itself; give those in it that you mean: {shortlist(others)}"
        return InputError(what, path=folder)
    what = advice(folder) or f"no dump in this directory; dumps end in {', '.join(suffixes())}"
    return InputError(what, path=folder)
