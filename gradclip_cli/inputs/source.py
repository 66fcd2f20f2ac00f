"""What one dump is made of: a value that is made once, when the inputs are found, and carried by every plan."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class DumpSource(NamedTuple):
    """Files that are one dump, in their order, and the layout that says how they belong together.

    `location` is what the dump goes by: its only file, its index, its folder, or else the first of its files.
    """

    location: str
    files: tuple[str, ...]
    layout: "Layout"
    step: int | None = None

    @property
    def label(self) -> str | list[str]:
        """What a report calls the dump."""
        return self.layout.label(self.location, self.files)


class DumpOutput(NamedTuple):
    """Where a dump is written: a target for each of its files, and for each companion of those."""

    location: str
    files: tuple[str, ...]
    companions: tuple[str, ...] = ()


class Layout(Protocol):
    """One way in which files are a dump; a layout may hold what it read when the dump was found, such as an index.

    Layouts are asked in the order of their registry which of the paths that a user gave are theirs.
    """

    @property
    def single(self) -> bool:
        """Whether a dump is one file, which can be written to a file or a stream; all others go into a directory."""

    @property
    def in_pieces(self) -> bool:
        """Whether equal names in several files are pieces of one tensor."""

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """What a report calls a dump that lies, or is written, there."""

    def tensor_names(self, file: str, names: Sequence[str]) -> Sequence[str]:
        """What the tensors of a file are called in the dump; `names` themselves where that is the same."""

    def companions(self, source: DumpSource) -> tuple[str, ...]:
        """The files that belong to a dump, hold no tensor, and are copied as they are."""

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Where the files go, if the dump itself goes to `location`."""

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """The paths whose last components name the outputs in a directory; the last is the one that the dump goes by."""

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError where `names`, those of the tensors of each file, are not those of one dump."""

    def check_unchanged(self, source: DumpSource) -> None:
        """Raise InputError where the dump is of other files now than when it was found."""


class Finder(Protocol):
    """What recognises the dumps of one layout among paths."""

    endings: tuple[str, ...]
    """The endings of files, besides those of the formats, that stand for a dump of this layout."""

    def find(self, paths: Sequence[str]) -> "Iterator[FoundDump]":
        """Yield the dumps of this layout, each with the paths, by position, that are accounted for by it."""


class FoundDump(NamedTuple):
    """A dump, and the paths (positions in a list) that it stands for; it takes the place of the first of them."""

    source: DumpSource
    positions: Sequence[int]
