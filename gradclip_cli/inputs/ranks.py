"""Files of the ranks of a distributed run: which of them are one dump, and which only look as if they were."""

import os
import re
from collections.abc import Sequence

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs import shards
from gradclip_cli.inputs.naming import step_of
from gradclip_cli.text import count, printable

_RANK = re.compile(r"rank[-_=]?\d+", re.IGNORECASE)


def dumps(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the dumps whose pieces are these files: one, or one for each step that the files or their folders are named after."""
    for path in paths:
        if shards.is_sharded(path):
            what = f"{printable(path)} is one dump with all its files already; leave it out"
            raise UsageError(f"--shards is for files of ranks, which hold pieces of the same tensors; {what}")
    if len(paths) < 2:
        raise UsageError("--shards needs the files of two ranks or more")
    steps: dict[int | None, list[str]] = {}
    for path in paths:
        steps.setdefault(step_of(path), []).append(path)
    if len(steps) > 1:
        _check(steps)
    return tuple(shards.by_rank(files) for files in steps.values())


def _check(steps: dict[int | None, list[str]]) -> None:
    """Raise where the files of several steps are not those of the same number of ranks."""
    if None in steps:
        lone = printable(steps[None][0])
        raise UsageError(
            f"--shards: other files are of a step, but {lone} names none; give the files of one step alone"
        )
    most, least = (pick(steps, key=lambda step: len(steps[step])) for pick in (max, min))
    if len(steps[least]) < 2 or len(steps[least]) < len(steps[most]):
        sizes = [f"step {step} has {count(len(steps[step]), 'file')}" for step in dict.fromkeys((least, most))]
        raise UsageError(f"--shards makes a dump of each step, but {' and '.join(sizes)}; give the files of all ranks")


def hint(paths: Sequence[str]) -> list[str]:
    """Return a note where files of one step differ in their ranks only, and each is a dump of its own."""
    found: dict[str, list[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if not shards.is_by_rank(path) and _RANK.search(name):
            found.setdefault(os.path.join(folder, _RANK.sub("", name)), []).append(path)
    alike = next((files for files in found.values() if len(files) > 1), None)
    if alike is None:
        return []
    names = f"{alike[0]} and {os.path.basename(alike[1])}"
    return [f"{names} are taken for two dumps; if they hold pieces of one, as of a sharded run, give --shards"]
