"""Folders of dumps, and folders that are one dump: one file a parameter, each with one tensor called `gradient`."""

import os
from collections.abc import Sequence

from gradclip_cli.errors import InputError, reason
from gradclip_cli.formats import opened, suffixes
from gradclip_cli.inputs.naming import natural, step_of
from gradclip_cli.storage.streams import STANDARD

KEY = "gradient"
"""What the one tensor of each file is called, which is named after its file."""


def is_folder(path: str) -> bool:
    """Whether an input or an output is a folder; `-` is a standard stream, whatever has that name here."""
    return path != STANDARD and os.path.isdir(path)


def files(folder: str, endings: Sequence[str] = ()) -> list[str]:
    """Return the dumps in a folder by their endings (and `endings`), in natural order; hidden files do not count."""
    wanted = (*suffixes(), *endings)
    return [path for path in _listed(folder) if path.lower().endswith(wanted) and os.path.isfile(path)]


def steps(folder: str) -> list[str]:
    """Return the folders in a folder that are named after training steps, in natural order."""
    return [path for path in _listed(folder) if os.path.isdir(path) and step_of(os.path.basename(path)) is not None]


def with_dumps(folder: str) -> list[str]:
    """Name the folders in a folder that hold dumps, as far as they can be read."""
    inner = [path for path in _listed(folder) if os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)]
    return [os.path.basename(path) for path in inner if files(path)]


def is_by_param(paths: Sequence[str]) -> bool:
    """Whether files hold one parameter each, by the first of them."""
    from gradclip_cli.formats.base import Options

    try:
        with opened(paths[0], Options()) as (_, reader):
            return [spec.name for spec in reader.tensors] == [KEY]
    except (InputError, IndexError):
        return False


def param_of(path: str) -> str:
    """Return the name of the parameter in a file.

    >>> param_of("step100/lstm.weight_ih_l0.safetensors")
    'lstm.weight_ih_l0'
    """
    return os.path.splitext(os.path.basename(path))[0]


def _listed(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder), key=natural)
    except OSError as error:
        raise InputError(reason(error), path=folder) from error
    return [os.path.join(folder, name) for name in names if name[0] != "."]
