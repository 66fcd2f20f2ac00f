"""Tell logs from dumps among the paths that a user gives, by their first bytes.

Paths that end as dumps do are told by that alone, so that for these none of the readers of logs is imported.
"""

import os
from collections.abc import Mapping, Sequence

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.formats import FORMATS, by_suffix, suffixes
from gradclip_cli.inputs.folders import ENDINGS
from gradclip_cli.inputs.norm_logs.base import LOG
from gradclip_cli.storage import locations
from gradclip_cli.storage.location_names import normal
from gradclip_cli.storage.streams import STANDARD, check_input, stream_name
from gradclip_cli.text import printable

_BESIDE = ("meta.yaml", "metrics")
_EVENTS = ".tfevents."


def find_logs(paths: Sequence[str], input_format: str | None = None, column: str | None = None) -> list[str]:
    """Return the logs that are given; nothing if these are dumps. Raise UsageError if there are both."""
    given = [stream_name(path, 0) for path in paths]
    if input_format in FORMATS:
        return []
    if input_format == LOG:
        return _checked([_log_in(path, column) or path for path in given])
    ends = (*suffixes(), *ENDINGS)
    given = [_log_in(path, column) or path for path in given]
    logs = [path for path in given if not path.lower().endswith(ends) and is_log(path, column)]
    if logs and len(logs) < len(given):
        other = next(path for path in given if path not in logs)
        raise UsageError(f"{printable(logs[0])} is a log and {printable(other)} is none; give logs or dumps")
    return _checked(logs)


def _log_in(path: str, column: str | None) -> str | None:
    """Return the one log in a folder that holds no dump; None for what is no such folder."""
    if path == STANDARD or not locations.is_folder(path) or is_folder_of_logs(path) or _holds_dumps(path):
        return None
    from gradclip_cli.inputs.norm_logs.in_folders import log_in

    return log_in(path, column, is_folder_of_logs)


def _holds_dumps(folder: str) -> bool:
    """Whether a folder, or a folder in it, holds a file that ends like a dump; what cannot be listed is refused elsewhere."""
    ends = (*suffixes(), *ENDINGS)
    try:
        every = locations.entries(folder)
        if any(entry.name.lower().endswith(ends) for entry in every):
            return True
        inner = [os.path.join(folder, entry.name) for entry in every if entry.is_dir()]
        return any(name.lower().endswith(ends) for path in inner for name in locations.names(path))
    except (OSError, ValueError):
        return True


def logs_beside(path: str, input_format: str | None = None, column: str | None = None) -> list[str]:
    """Return a second input if it is a log; dumps stay dumps, though `--input-format log` is given for the first."""
    if input_format == LOG and (locations.is_folder(path) or path.lower().endswith((*suffixes(), *ENDINGS))):
        input_format = None
    return find_logs([path], input_format, column)


def _checked(logs: list[str]) -> list[str]:
    if STANDARD in logs:
        check_input()
        if logs.count(STANDARD) > 1:
            raise UsageError("standard input can be read only once; give - once")
    return logs


def is_log(path: str, column: str | None = None) -> bool:
    """Whether a path is that of a log: a file, standard input, or a folder of events or of metrics without any dump."""
    if path != STANDARD and not locations.is_file(path):
        return is_folder_of_logs(path)
    if path == STANDARD and (not os.path.exists("/dev/fd/0") or os.isatty(0)):
        return False
    from gradclip_cli.inputs.norm_logs.content import is_log_by_content

    return is_log_by_content(path, column)


def is_folder_of_logs(folder: str) -> bool:
    """Whether a folder holds files of events, or metrics of MLflow, and no dump."""
    try:
        names = locations.names(folder)
    except (OSError, ValueError):
        return False
    if os.path.basename(normal(folder)) != _BESIDE[1] and not (
        set(_BESIDE) <= set(names) or any(_EVENTS in name for name in names)
    ):
        return False
    return bool(names) and not any(name.lower().endswith(suffixes()) for name in names)


def refuse_logs(paths: Sequence[str], command: str) -> None:
    """Raise InputError for a log that is given to a command which needs gradients; lines of text may be anything."""
    for path in paths:
        if stream_name(path, 0) == STANDARD or path.lower().endswith(ENDINGS) or by_suffix(path) is not None:
            continue
        if is_folder_of_logs(path) if locations.is_folder(path) else locations.is_file(path) and _is_sure(path):
            raise InputError(f"holds norms, not gradients; {command} needs gradients: take stats", path=path)


def _is_sure(path: str) -> bool:
    from gradclip_cli.inputs.norm_logs.content import is_surely_log

    return is_surely_log(path)


_NOTHING: Mapping[str, object] = {
    "include": (),
    "exclude": (),
    "void_dtype": None,
    "allow_huge": False,
    "shards": False,
    "files": (),
    "accumulate": None,
    "along": None,
    "replicated": (),
    "tied": "twice",
    "allow_missing": False,
    "keep_going": False,
    "norm_type": None,
    "cache": False,
    "scheduler": None,
    "weights": (),
}
"""The options that are for gradients only, with the values that say nothing."""

_OF_DUMPS = (
    "void_dtype",
    "allow_huge",
    "shards",
    "files",
    "accumulate",
    "allow_missing",
    "keep_going",
    "tied",
    "cache",
    "scheduler",
)
"""Those of them that say how dumps are read, which may stand beside a log."""


def refuse_options(path: str, given: Mapping[str, object], *, both: bool = True) -> None:
    """Raise UsageError for an option that means nothing for a log, or for what stands beside it unless `both` are logs.

    `given` are the values of all options by name.
    """
    for name, nothing in _NOTHING.items():
        if not both and name in _OF_DUMPS:
            continue
        value = given.get(name, nothing)
        if value != nothing and not (name == "norm_type" and value == 2):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for gradients, and {printable(path)} is a log of norms; leave it out")


def refuse_column(column: str | None) -> None:
    """Raise UsageError for a column where no log is given."""
    if column is not None:
        raise UsageError("--column chooses a column of a log, and no log is given; leave it out")
