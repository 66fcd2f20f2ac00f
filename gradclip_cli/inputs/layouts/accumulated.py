"""Combine the micro-batches of a step, each in a file of its own, into one dump: their mean or their sum."""

import os
import re
from collections.abc import Sequence

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.single import Single, check_single
from gradclip_cli.inputs.name_numbers import apart, varying
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.storage.location_names import absolute
from gradclip_cli.text import plural, printable

_WORD = r"(?i)[-_. ]?(?:(?:micro|mini|accum|grad)[-_ ]?)?[a-z]*[-_=. ]?$"
"""The word before the number of a micro-batch, which goes with it: a pattern, compiled on its first use."""


class Accumulated(Single):
    """Files with the same tensors, whose mean or sum is the dump; it is written as one file."""

    def __init__(self, mode: str) -> None:
        self.accumulate = mode

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Accumulated) and self.accumulate == other.accumulate

    def __hash__(self) -> int:
        return hash(self.accumulate)

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """Return the list of the files that were read, or the location of the one that was written."""
        return list(files) if len(files) > 1 else location

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return the location as the target of the whole dump."""
        return DumpOutput(location, (location,))

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Return the path of the first file without the number of its micro-batch."""
        folder = os.path.dirname(source.location)
        return (os.path.join(folder, name_without(source.files)),)


def accumulated(sources: Sequence[DumpSource], mode: str) -> tuple[DumpSource, ...]:
    """Combine the files of each step in a folder into one dump, in natural order of their names.

    Raise UsageError unless each step has the same number of files, at least two, whose names differ in one number only.
    """
    check_single(sources, "--accumulate is for micro-batches in a file each")
    steps: dict[tuple[str, int | None, int | None], list[DumpSource]] = {}
    for source in sources:
        key = os.path.dirname(source.location), source.epoch, source.step
        steps.setdefault(key, []).append(source)
    groups = [sorted(group, key=lambda source: natural(source.location)) for group in steps.values()]
    _check_sizes(groups)
    return tuple(_one(group, mode) for group in groups)


def _one(group: Sequence[DumpSource], mode: str) -> DumpSource:
    files = tuple(source.location for source in group)
    _place(files)
    return group[0]._replace(files=files, layout=Accumulated(mode))


def _check_sizes(groups: Sequence[Sequence[DumpSource]]) -> None:
    """Raise UsageError if the steps do not have the same number of files, at least two each."""
    most, least = max(groups, key=len), min(groups, key=len)
    if len(least) > 1 and len(least) == len(most):
        return
    shown = [least] if len(most) == 1 else [least, most]
    sizes = [f"{printable(group[0].location)} is one of {plural(len(group), 'file')} of its step" for group in shown]
    needs = "two files or more of each step in one folder, and as many of each"
    raise UsageError(f"--accumulate needs {needs}, but {' and '.join(sizes)}")


def _place(files: Sequence[str]) -> int:
    """Return the place in the names of the number of the micro-batch; raise UsageError unless they differ in that only."""
    places = varying([apart(os.path.basename(file)) for file in files])
    if len(places) == 1:
        return places[0]
    first, last = printable(files[0]), printable(os.path.basename(files[-1]))
    raise UsageError(f"--accumulate is for micro-batches, whose names differ in one number; {first} and {last} do not")


def name_without(files: Sequence[str]) -> str:
    """Return the name of the first file without the number of its micro-batch; that of the folder if nothing is left.

    >>> name_without(["run/step_0_micro_0.npz", "run/step_0_micro_1.npz"]), name_without(["step_5/m0.npz", "step_5/m1.npz"])
    ('step_0.npz', 'step_5.npz')
    """
    place, folder = _place(files), os.path.dirname(absolute(files[0]))
    parts = apart(os.path.basename(files[0]))
    before, after = "".join(parts[: place - 1]), "".join(parts[place + 1 :])
    name = before + re.sub(_WORD, "", parts[place - 1]) + after
    name = name if before else name.lstrip("-_ ")
    stem, suffix = os.path.splitext(name)
    return name if stem and suffix else os.path.basename(folder) + os.path.splitext(files[0])[1]
