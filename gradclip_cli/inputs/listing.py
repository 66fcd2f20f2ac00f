"""List the dumps in a folder, and the folders that are named after training steps."""

import os
from collections.abc import Sequence

from gradclip_cli.errors import InputError, reason
from gradclip_cli.formats import suffixes
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.steps import step_of
from gradclip_cli.storage.streams import STANDARD


def is_folder(path: str) -> bool:
    """Whether an input or output is a folder; `-` is a standard stream even if a folder has that name."""
    return path != STANDARD and os.path.isdir(path)


def dump_files(folder: str, endings: Sequence[str] = ()) -> list[str]:
    """Return the files in a folder that end like a dump or in `endings`, in natural order, without hidden files."""
    wanted = (*suffixes(), *endings)
    return [path for path in _listed(folder) if path.lower().endswith(wanted) and os.path.isfile(path)]


def step_folders(folder: str) -> list[str]:
    """Return the folders in a folder that are named after training steps, in natural order."""
    return [path for path in _listed(folder) if os.path.isdir(path) and step_of(os.path.basename(path)) is not None]


def folders_with_dumps(folder: str) -> list[str]:
    """Return the names of the readable folders in a folder that hold dumps."""
    inner = [path for path in _listed(folder) if os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)]
    return [os.path.basename(path) for path in inner if dump_files(path)]


def _listed(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder), key=natural)
    except OSError as error:
        raise InputError(reason(error), path=folder) from error
    return [os.path.join(folder, name) for name in names if name[0] != "."]
