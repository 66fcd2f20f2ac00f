"""The file store of MLflow: a file a metric, with a time, a value and a step in each line."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.names import number, whole
from gradclip_cli.inputs.norm_logs.series import NO_STEP
from gradclip_cli.inputs.norm_logs.stream import LogStream, as_text
from gradclip_cli.notes import Note
from gradclip_cli.storage import locations
from gradclip_cli.storage.location_names import normal

_LINE = re.compile(rb"\d{10,19} [-+]?[\dA-Za-z.+-]{1,40}(?: \d{1,19})?\s*")
_FOLDER = "metrics"
_LONGEST = 1000


def _matches(head: bytes) -> bool:
    lines = head.split(b"\n", 3)[:3]
    return _LINE.fullmatch(lines[0]) is not None and all(_LINE.fullmatch(line) for line in lines[1:-1])


def metric_name(path: str) -> str:
    """Return the name of a metric by the path of its file.

    >>> metric_name("mlruns/0/4d/metrics/train/grad_norm"), metric_name("grad_norm")
    ('train/grad_norm', 'grad_norm')
    """
    parts = normal(path).split(os.sep)
    if _FOLDER in parts[:-1]:
        return "/".join(parts[len(parts) - parts[::-1].index(_FOLDER) :])
    return parts[-1]


def metric_files(folder: str) -> list[str]:
    """Return the files of the metrics of a run, whose folder or folder of metrics is given; nothing where it is neither."""
    below = os.path.join(folder, _FOLDER)
    if os.path.basename(normal(folder)) == _FOLDER:
        below = folder
    elif not locations.is_file(os.path.join(folder, "meta.yaml")):
        return []
    return sorted(_files(below)) if locations.is_folder(below) else []


def _files(folder: str) -> Iterator[str]:
    with suppress(OSError):
        for entry in locations.entries(folder):
            path = os.path.join(folder, entry.name)
            if not entry.is_dir():
                yield path
            elif not entry.is_symlink():
                yield from _files(path)


def _read(stream: LogStream, into: Collector) -> None:
    """Read one metric, if it is one that counts."""
    series = into.series(metric_name(stream.path))
    if series is None:
        return
    text = as_text(stream)
    while line := text.readline(_LONGEST):
        if line[-1] != "\n":
            what = "ends within a line, as where a run is still writing; what is complete is read"
            into.notes.append(Note("still-written", f"{stream.path}: {what}"))
            break
        parts = line.split()
        if len(parts) in (2, 3) and (value := number(parts[1])) is not None:
            series.add(whole(parts[2]) if len(parts) == 3 else NO_STEP, value)


MLFLOW = LogLayout("mlflow", "a metric of MLflow", _matches, _read, by_line=True)
