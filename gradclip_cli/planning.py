"""From what a user asked for to a plan."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs import folders, ranks, shards
from gradclip_cli.inputs.naming import step_of
from gradclip_cli.inputs.selection import expand
from gradclip_cli.storage.streams import STANDARD, check_input, unified
from gradclip_cli.strategies import find
from gradclip_cli.text import did_you_mean, printable
from gradclip_cli.thresholds import parse

if TYPE_CHECKING:
    from gradclip_cli.plan.stats import Trial


def trial(text: str) -> "Trial":
    """Parse `STRATEGY:THRESHOLD`, or `STRATEGY` where it takes none; cut at the first `:`, since rules may hold another."""
    from gradclip_cli.plan.stats import Trial

    name, colon, threshold = text.partition(":")
    return Trial(find(name), parse(threshold) if colon else None)


def dumps_in(inputs: Sequence[str], by_rank: bool = False) -> tuple[str, ...]:
    """Replace directories by the dumps in them; raise where there is no input, or one that is not there.

    `-` is standard input. With `by_rank` all files of a step together are one dump, of which each holds pieces.
    """
    if not inputs:
        raise UsageError("give at least one dump, or a directory of dumps")
    given = [unified(path, 0) for path in inputs]
    if STANDARD in given:
        _check_standard_input(given)
    for path in given:
        if path != STANDARD and not os.path.lexists(path):
            raise InputError(f"does not exist; {_near(path)}", path=path)
    found = expand(given)
    return ranks.dumps(found) if by_rank else tuple(found)


def _near(path: str) -> str:
    """Name the file that is perhaps meant."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        return did_you_mean(name, os.listdir(folder or "."), "check the path")
    return f"there is no directory {printable(folder)}"


def one_dump(path: str) -> str:
    """Return the one dump that a path stands for: itself, or the only one of a directory."""
    found = dumps_in([path])
    if len(found) > 1:
        raise UsageError(f"{printable(path)} holds {len(found):,} dumps; give one dump, such as {printable(found[0])}")
    return found[0]


def into_folder(inputs: Sequence[str], found: Sequence[str], output_format: str | None = None) -> bool:
    """Whether outputs go into a directory: those of several dumps, of a directory, or of a dump in shards."""
    sharded = any(map(shards.is_sharded, found))
    if sharded and output_format not in (None, "safetensors"):
        raise UsageError("a dump in shards keeps its format; leave out --output-format")
    return sharded or len(found) > 1 or folders.is_folder(inputs[0])


def outputs_for(
    inputs: Sequence[str], output: str | None, *, in_place: bool, dry_run: bool, directory: bool
) -> tuple[str | None, ...]:
    """Name the output of each input; several go into a directory, which is made if it is missing; `-` is standard output."""
    piped = any(STANDARD in shards.parts(path) for path in inputs)
    if piped and in_place:
        raise UsageError("standard input cannot be replaced; give -o OUTPUT rather than --in-place")
    if dry_run:
        return (None,) * len(inputs)
    if in_place == (output is not None):
        raise UsageError("give either -o OUTPUT, --in-place or --dry-run")
    if output is None:
        _distinct([os.path.realpath(part) for path in inputs for part in shards.parts(path)])
        return tuple(inputs)
    if not directory:
        return (unified(output, 1),)
    if unified(output, 1) == STANDARD:
        raise UsageError("standard output takes one dump in one file; give -o DIRECTORY for several, or for shards")
    if piped:
        raise UsageError("standard input has no name to be written under; apply to it alone, with -o FILE")
    if len(inputs) == 1 and folders.is_folder(inputs[0]):
        return (output,)
    return tuple(os.path.join(output, name) for name in _kept_names(inputs))


def _kept_names(inputs: Sequence[str]) -> list[str]:
    """Name the outputs in a directory: as the inputs, with the folders of their steps where it takes those to tell them apart."""
    kept = [[os.path.abspath(part) for part in _kept(path)] for path in inputs]
    names = [[os.path.basename(part) for part in parts] for parts in kept]
    if not _are_distinct(names) and all(
        step_of(os.path.basename(os.path.dirname(parts[-1]))) is not None for parts in kept
    ):
        names = [[os.path.join(*part.split(os.sep)[-2:]) for part in parts] for parts in kept]
    _distinct([name for parts in names for name in parts])
    return [parts[-1] for parts in names]


def _kept(path: str) -> tuple[str, ...]:
    """The paths whose base names are kept: those of the files of a dump, its own last; of a folder that is a dump, its own."""
    if folders.is_folder(path):
        return (os.path.realpath(path),)
    return (*shards.parts(path), *([path] if path.endswith(shards.INDEX) else []))


def _check_standard_input(inputs: Sequence[str]) -> None:
    if inputs.count(STANDARD) > 1:
        raise UsageError("standard input can be read only once; give - once")
    check_input()


def _are_distinct(names: Sequence[Sequence[str]]) -> bool:
    every = [name for parts in names for name in parts]
    return len(set(every)) == len(every)


def _distinct(keys: Sequence[str]) -> None:
    name, number = Counter(keys).most_common(1)[0]
    if number > 1:
        what = f"{number} inputs would be written to the same file {printable(name)!r}"
        raise UsageError(
            f"{what}; apply to each alone with an output of its own, or call their folders step_1, step_2 .."
        )
