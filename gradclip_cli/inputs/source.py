"""Describe the files of a dump and their layout, as values that are made once, when inputs are found, and kept in plans."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gradclip_cli.notes import Note

if TYPE_CHECKING:
    from gradclip_cli.inputs.pieces import Shape
    from gradclip_cli.tensors import TensorSpec


class DumpSource(NamedTuple):
    """The files of one dump, in order, and the layout that says how they belong together.

    `location` identifies the dump: it is its only file, its index, its folder, or else the first of its files. `epoch` is
    known only where the name holds it beside the step. `name` stands for the step in tables, if that is a running number.
    """

    location: str
    files: tuple[str, ...]
    layout: "Layout"
    step: int | None = None
    epoch: int | None = None
    name: str | None = None

    @property
    def label(self) -> str | list[str]:
        """The name of the dump in reports."""
        return self.layout.label(self.location, self.files)


class DumpOutput(NamedTuple):
    """The targets of a dump that is written: one for each of its files, and one for each companion file."""

    location: str
    files: tuple[str, ...]
    companions: tuple[str, ...] = ()


class Layout(Protocol):
    """One way in which files form a dump; a layout may keep what it read when the dump was found, such as an index.

    The finders of the layouts are asked in the order of their registry which paths are theirs.
    """

    @property
    def single(self) -> bool:
        """Whether a dump is one file, which can be written to a file or stream; other dumps are written to a directory."""

    @property
    def in_pieces(self) -> bool:
        """Whether tensors with the same name in several files are pieces of one tensor."""

    @property
    def each_once(self) -> bool:
        """Whether files say that no piece is in two of them, so that equal bits are no copies."""

    @property
    def accumulate(self) -> str | None:
        """How the tensors of all files become one: by their `mean` or `sum`; None if each file has tensors of its own."""

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """Return the name in reports of a dump at this location, read or written."""

    def tensor_names(self, file: str, names: Sequence[str]) -> Sequence[str]:
        """Return the names in the dump of a file's tensors; the object `names` itself if they are the same."""

    def offsets(
        self, file: str, tensors: "Sequence[TensorSpec]", metadata: Mapping[str, str]
    ) -> "Sequence[Shape] | None":
        """Return where each tensor of a file begins in the whole tensor of its name; None where files do not say so.

        Where they do, pieces must fill whole tensors, and pieces that begin at the same place are copies: they count once.
        """

    def notes(self, file: str, metadata: Mapping[str, str]) -> Sequence[Note]:
        """Return what the user must know about a file of a dump of this layout, from what the file says of itself."""

    def companions(self, source: DumpSource) -> tuple[str, ...]:
        """Return the files of a dump that hold no tensors and are copied unchanged."""

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return the targets of the files if the dump is written to `location`."""

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Return paths whose last components name the outputs in a directory; the last path identifies the dump."""

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError if `names`, the tensor names of each file, are not those of one dump."""

    def check_unchanged(self, source: DumpSource) -> None:
        """Raise InputError if the dump no longer consists of the files that were found."""


class Finder(Protocol):
    """Recognises the dumps of one layout among paths."""

    endings: tuple[str, ...]
    """File endings that mark a dump of this layout, besides the endings of the formats."""

    def find(self, paths: Sequence[str]) -> "Iterator[FoundDump]":
        """Yield the dumps of this layout, each with the positions of the paths that belong to it."""


class FoundDump(NamedTuple):
    """A dump and the positions of its paths in the list; it is listed at the first of them.

    Paths that are left out for its sake have positions, too, and `notes` say so.
    """

    source: DumpSource
    positions: Sequence[int]
    notes: Sequence[Note] = ()
