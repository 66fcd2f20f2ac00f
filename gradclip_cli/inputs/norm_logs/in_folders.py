"""Find the logs that hold norms in a folder without dumps: of a version of Lightning, a checkpoint, a run of W&B."""

import os
from collections.abc import Callable, Iterator

from gradclip_cli.errors import GradclipError, InputError, UsageError
from gradclip_cli.inputs.norm_logs.base import LogOptions
from gradclip_cli.inputs.norm_logs.content import is_log_by_content
from gradclip_cli.inputs.norm_logs.reading import read_log
from gradclip_cli.storage import locations
from gradclip_cli.text import printable, shortlist

_ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".log", ".out", ".err", ".txt", ".gz")
_WANDB = "files"
"""Where W&B puts what a run printed, below the folder of the run."""

_MOST_FOLDERS = 100
_TRIED = 64 << 20
"""Longer logs are not read only to see whether they hold norms."""

_SHOWN = 6


def log_in(folder: str, column: str | None, is_log: Callable[[str], bool]) -> str | None:
    """Return the one log with norms in a folder, or else in one of the folders in it; None where there is none.

    `is_log` tells a folder that is a log itself, of events or of metrics. Raise UsageError where there are several.
    """
    found = _logs(folder, column, is_log)
    if not found:
        folders = (entry.name for entry in locations.entries(folder) if entry.is_dir() and entry.name[0] != ".")
        inner = sorted(os.path.join(folder, name) for name in folders)
        found = [path for one in inner[:_MOST_FOLDERS] for path in _logs(one, column, is_log)]
    if len(found) > 1:
        raise UsageError(f"{printable(folder)} holds several logs with norms; give one: {shortlist(found, _SHOWN)}")
    return found[0] if found else None


def _logs(folder: str, column: str | None, is_log: Callable[[str], bool]) -> list[str]:
    if is_log(folder):
        return [folder]
    try:
        return [path for path in _candidates(folder) if _holds_norms(path, column)]
    except OSError:
        return []


def _candidates(folder: str) -> Iterator[str]:
    """Yield the files of a folder that may be logs, and those of W&B below it."""
    for place in (folder, os.path.join(folder, _WANDB)):
        if locations.is_folder(place):
            names = sorted(
                name for name in locations.names(place) if name[0] != "." and name.lower().endswith(_ENDINGS)
            )
            yield from filter(locations.is_file, (os.path.join(place, name) for name in names))


def _holds_norms(path: str, column: str | None) -> bool:
    """Whether a log can be read for norms; a choice among its columns is asked for later."""
    try:
        if not is_log_by_content(path, column):
            return False
        if locations.size(path) < _TRIED:
            read_log(path, LogOptions(column))
    except UsageError as error:
        return "several" in str(error)
    except InputError as error:
        return "ranks differ" in str(error)
    except GradclipError:
        return False
    return True
