"""Combine the files of the ranks of a distributed run into dumps, and hint at files that may be such pieces."""

import os
import re
from collections.abc import Sequence

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.numbered import Numbered
from gradclip_cli.inputs.layouts.single import check_single
from gradclip_cli.inputs.name_numbers import apart, varying
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import StepName
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable

_MICRO = r"(?i)(?<![a-z])(?:micro|micro[-_]?batch|mini[-_]?batch)[-_=]?\d+"
_RANK = r"(?i)(?<![a-z])(?:rank|shard|part|stage|[dtp]p|layer|worker|member|replica|client)[-_=]?\d+"


class Ranks(Numbered):
    """Several files with the same tensors; each holds a piece of every tensor."""

    in_pieces = True

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Accept any names: pieces of a tensor may be in any of the files."""


RANKS = Ranks()


def by_rank(sources: Sequence[DumpSource]) -> tuple[DumpSource, ...]:
    """Combine files of ranks into one dump, or into one for each step that the files or their folders are named after."""
    check_single(sources, "--shards is for files of ranks, which hold pieces of the same tensors")
    if len(sources) < 2:
        raise UsageError("--shards needs the files of two ranks or more")
    steps: dict[StepName, list[str]] = {}
    for source in sources:
        steps.setdefault(StepName(source.step, source.epoch), []).extend(source.files)
    if len(steps) > 1:
        _check_steps(steps)
    elif sources[0].step is None:
        _check_one(next(iter(steps.values())))
    return tuple(DumpSource(files[0], tuple(files), RANKS, *step) for step, files in steps.items())


def _check_one(files: Sequence[str]) -> None:
    """Raise UsageError if files without a step differ in more than their ranks: they may be of several steps."""
    ranked = all(re.search(_RANK, path) for path in files)
    rests = {re.sub(_RANK, "", path) for path in files}
    if len(rests) > 1 if ranked else len(varying(list(map(apart, files)))) > 1:
        first, last = printable(files[0]), printable(files[-1])
        raise UsageError(
            f"--shards makes one dump of files without steps, but {first} and {last} differ in more than their ranks; "
            "give the files of one step alone"
        )


def are_in(sources: Sequence[DumpSource]) -> bool:
    """Whether any dump is put together from files of ranks."""
    return any(isinstance(source.layout, Ranks) for source in sources)


def _check_steps(steps: dict[StepName, list[str]]) -> None:
    """Raise UsageError if the steps do not have the same number of files, at least two each."""
    if (none := StepName()) in steps:
        lone = printable(steps[none][0])
        raise UsageError(
            f"--shards: other files are of a step, but {lone} names none; give the files of one step alone"
        )
    most, least = (pick(steps, key=lambda step: len(steps[step])) for pick in (max, min))
    if len(steps[least]) < 2 or len(steps[least]) < len(steps[most]):
        sizes = [f"step {step.step} has {plural(len(steps[step]), 'file')}" for step in dict.fromkeys((least, most))]
        raise UsageError(f"--shards makes a dump of each step, but {' and '.join(sizes)}; give the files of all ranks")


def hint(sources: Sequence[DumpSource]) -> list[Note]:
    """Return a note if the names of two dumps differ only in their ranks, or as micro-batches: they may be parts of one dump."""
    if len(sources) < 2:
        return []
    return [
        *_hint(sources, "ranks", _RANK, "hold pieces of one, as of a sharded run, give --shards"),
        *_hint(sources, "micro-batches", _MICRO, "are micro-batches of one step, give --accumulate mean or sum"),
    ]


def _hint(sources: Sequence[DumpSource], kind: str, part: str, advice: str) -> list[Note]:
    """Return a note if the names of two dumps differ only in the number of a part."""
    found: dict[str, list[str]] = {}
    for path in [source.location for source in sources if not source.layout.in_pieces]:
        folder, name = os.path.split(path)
        if re.search(part, name):
            found.setdefault(os.path.join(folder, re.sub(part, "", name)), []).append(path)
    alike = next((files for files in found.values() if len(files) > 1), None)
    if alike is None:
        return []
    names = f"{alike[0]} and {os.path.basename(alike[1])}"
    return [Note(kind, f"{names} are taken for two dumps; if they {advice}", changes_figures=True)]
