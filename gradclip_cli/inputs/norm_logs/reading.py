"""Read the norms of a log, or of a folder of logs that belong together."""

import os

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.norm_logs.base import LogOptions, NormLog
from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.events import is_event_file
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.mlflow import metric_files
from gradclip_cli.inputs.norm_logs.registry import LAYOUTS
from gradclip_cli.inputs.norm_logs.stream import opened_log
from gradclip_cli.storage import locations
from gradclip_cli.text import shortlist

WANDB = b":W&B"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def layout_of(head: bytes) -> LogLayout | None:
    """Return the layout of a log by its first bytes; None where it is empty, or no log."""
    if not head or head.startswith(WANDB):
        return None
    return next((layout for layout in LAYOUTS if layout.matches(head)), None)


def files_of(path: str) -> list[str]:
    """Return the files of a log: itself, or in a folder those of events in their order, or of metrics; nothing without any."""
    if not locations.is_folder(path):
        return [path]
    names = sorted((name for name in locations.names(path) if is_event_file(name)), key=natural)
    return [os.path.join(path, name) for name in names] or metric_files(path)


def read_log(path: str, options: LogOptions = LogOptions()) -> NormLog:  # noqa: B008  # a value that nobody changes
    """Read a log into the norms of its steps; several files of a folder follow each other.

    Raise InputError if it holds none or is damaged, and UsageError where the user has to name a column.
    """
    into, kind = Collector(path, options), ""
    files = files_of(path)
    if not files:
        raise _nothing_in(path)
    for file in files:
        with opened_log(file) as stream:
            layout = layout_of(stream.head)
            if layout is None:
                if len(files) > 1 and not stream.head:  # a file of events that is just begun
                    continue
                raise _no_log(file, stream.head)
            kind = layout.kind
            stream.whole_lines = options.growing and layout.by_line
            into.begin()
            layout.read(stream, into)
            into.notes += stream.notes
    return into.log(kind)


def _no_log(path: str, head: bytes) -> InputError:
    if not head:
        return InputError("it is empty; give a log that has begun", path=path)
    if head.startswith(WANDB):
        what = "Weights & Biases' own format is not read"
        return InputError(f"{what}; export the panel as CSV, or give wandb/.../files/output.log", path=path)
    if head.startswith(_UTF16):
        return InputError("is text in UTF-16; iconv -f utf-16 -t utf-8 FILE | gradclip stats -", path=path)
    return InputError("is no log that can be read; give text, CSV, JSON, or events of TensorBoard", path=path)


def _nothing_in(folder: str) -> InputError:
    """Return the error for a folder without a log, which names those in it that have one."""
    inner = [os.path.join(folder, name) for name in sorted(locations.names(folder), key=natural)]
    runs = [path for path in inner if locations.is_folder(path) and files_of(path)]
    if runs:
        return InputError(f"holds the logs of several runs; give one: {shortlist(runs, 4)}", path=folder)
    return InputError("no log in this directory; give the file itself", path=folder)
