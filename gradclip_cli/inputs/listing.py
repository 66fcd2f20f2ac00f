"""List what is in a folder: dumps, folders of training steps, and links that lead to nothing."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.errors import InputError, reason
from gradclip_cli.formats import suffixes
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.steps import step_in
from gradclip_cli.storage import locations
from gradclip_cli.storage.streams import STANDARD


class Listing(NamedTuple):
    """The paths in a folder, in natural order: files that end like dumps, folders, and dead links that end like dumps."""

    files: list[str]
    folders: list[str]
    dead_links: list[str]


def is_folder(path: str) -> bool:
    """Whether an input or output is a folder; `-` is a standard stream even if a folder has that name."""
    return path != STANDARD and locations.is_folder(path)


def listed(folder: str, endings: Sequence[str] = ()) -> Listing:
    """List a folder without its hidden entries; files end like a format or in `endings`. Raise InputError if that fails."""
    wanted, found = (*suffixes(), *endings), Listing([], [], [])
    try:
        visible = (entry for entry in locations.entries(folder) if entry.name[0] != ".")
        for entry in sorted(visible, key=lambda entry: natural(entry.name)):
            if entry.is_dir():
                found.folders.append(os.path.join(folder, entry.name))
            elif entry.name.lower().endswith(wanted):
                dead = entry.is_symlink() and not os.path.exists(os.path.join(folder, entry.name))
                kept = found.dead_links if dead else found.files if entry.is_file() else []
                kept.append(os.path.join(folder, entry.name))
    except OSError as error:
        raise InputError(reason(error), path=folder) from error
    return found


def dump_files(folder: str, endings: Sequence[str] = ()) -> list[str]:
    """Return the files in a folder that end like a dump or in `endings`, in natural order, without hidden files."""
    return listed(folder, endings).files


def siblings(path: str) -> list[str]:
    """Return the files in the folder of a path that end like a dump, spelled like that path, in natural order."""
    folder = os.path.dirname(path)
    return [os.path.join(folder, os.path.basename(found)) for found in dump_files(folder or os.curdir)]


def is_step_folder(path: str) -> bool:
    """Whether a folder is called after a training step, such as `checkpoint-100` or `100`."""
    name = os.path.basename(path)
    return name.isdecimal() or (step_in(name).step is not None and not is_unfinished(path))


def is_unfinished(path: str) -> bool:
    """Whether a folder of a step is called as trainers call those that they have not written to the end.

    >>> is_unfinished("run/tmp-checkpoint-5"), is_unfinished("run/step_5.orbax-checkpoint-tmp-17"), is_unfinished("run/step_5")
    (True, True, False)
    """
    name = os.path.basename(path)
    return name.startswith("tmp") or name.endswith(("tmp", ".partial", ".incomplete")) or "-tmp-" in name


def folders_with_dumps(folders: Sequence[str]) -> list[str]:
    """Return the names of those folders that can be read and hold dumps."""
    return [os.path.basename(path) for path in folders if may_be_read(path) and dump_files(path)]


def may_be_read(folder: str) -> bool:
    """Whether the user may list a folder and open what is in it."""
    return locations.is_remote(folder) or os.access(folder, os.R_OK | os.X_OK)
