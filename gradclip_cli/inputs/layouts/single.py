"""Read dumps in one file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.pieces import SHARDING_KEY
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_and_epoch
from gradclip_cli.notes import Note
from gradclip_cli.text import printable

if TYPE_CHECKING:
    from gradclip_cli.inputs.pieces import Shape
    from gradclip_cli.tensors import TensorSpec

_INSIDE = r'"saved_offsets"\s*:\s*\[[^\]]*[1-9]'
"""Metadata of pieces that do not begin where their tensors begin: a pattern, compiled on its first use."""


class Single:
    """One file that holds every tensor; the base of the other layouts."""

    single = True
    in_pieces = False
    each_once = False
    accumulate: str | None = None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """Return the location."""
        return location

    def tensor_names(self, file: str, names: Sequence[str]) -> Sequence[str]:
        """Return the names in the file."""
        return names

    def offsets(
        self, file: str, tensors: "Sequence[TensorSpec]", metadata: Mapping[str, str]
    ) -> "Sequence[Shape] | None":
        """Return None: tensors are whole, or it is not known where pieces begin."""
        return None

    def notes(self, file: str, metadata: Mapping[str, str]) -> Sequence[Note]:
        """Note that a file holds pieces of tensors only, if its metadata says so: here they are taken for whole."""
        if SHARDING_KEY not in metadata or re.search(_INSIDE, metadata[SHARDING_KEY]) is None:
            return ()
        what = f"holds pieces of tensors, by its {SHARDING_KEY}, and is taken for a dump without the files of the other ranks"
        advice = "give the folder, with all files under the names that the writer gave them (shard-00001-...)"
        return [Note("piece", f"{file}: {what}; {advice}", changes_figures=True)]

    def companions(self, source: DumpSource) -> tuple[str, ...]:
        """Return no companions."""
        return ()

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return the location as the target of the file."""
        return DumpOutput(location, (location,))

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Return the paths of the files, whose names the outputs keep."""
        return source.files

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Accept any names: the format has checked that they are unique."""

    def check_unchanged(self, source: DumpSource) -> None:
        """Accept the file: its fingerprint is checked whenever it is opened again."""


class SingleFinder:
    """Takes every path as a dump of its own."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield a dump for each path."""
        return (FoundDump(single(path), (k,)) for k, path in enumerate(paths))


SINGLE = Single()
FINDER = SingleFinder()


def single(path: str) -> DumpSource:
    """Return the dump in a file.

    >>> single("run/step_00042.npz").step
    42
    """
    return DumpSource(path, (path,), SINGLE, *step_and_epoch(path))


def check_single(sources: Sequence[DumpSource], rule: str) -> None:
    """Raise UsageError, which begins with a rule, if any dump is of several files, which no option can put together anew."""
    for source in sources:
        if not source.layout.single:
            what = f"{printable(source.location)} is one dump with all its files already; leave it out"
            raise UsageError(f"{rule}; {what}")
