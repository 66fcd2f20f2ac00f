"""Open dumps to be compared: their tensors by name, whole, joined, or in the pieces of ranks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from gradclip_cli.engine.copies import check_copies
from gradclip_cli.engine.joined import Joined, JoinedPiece
from gradclip_cli.engine.rank_pieces import pieces_by_name
from gradclip_cli.engine.reading import ElementSource
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.series import outside_note, step_groups
from gradclip_cli.inputs.naming import other_names, wrappers_note
from gradclip_cli.inputs.opened import DumpFile, OpenDump, OpenFile
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_named
from gradclip_cli.notes import Note
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

Found = TypeVar("Found")


class StoredTensor(NamedTuple):
    """A tensor, where its elements are read, and their loss scale: 1 unless they are floating-point numbers."""

    file: ElementSource
    spec: TensorSpec
    scale: float = 1.0

    @classmethod
    def of(cls, file: ElementSource, spec: TensorSpec, scale: float) -> "StoredTensor":
        """Return a tensor of a dump with this loss scale."""
        return cls(file, spec, scale if spec.dtype.kind in ("float", "complex") else 1.0)


class RankPieces(NamedTuple):
    """The tensors and pieces of a dump of ranks, by index; `indices` are of the pieces of each selected tensor, by name."""

    indices: Mapping[str, Sequence[int]]
    stored: Sequence[StoredTensor]
    files: Sequence[DumpFile]


class ComparedDump(NamedTuple):
    """An open dump: its files, the selected tensors by name, and those of them that count in no norm, with notes on them.

    Where it has `pieces`, which do not say where they belong, `tensors` holds the first piece of each tensor. Where it is one of
    the steps in a file, `group` is the name of that; names are those inside the group.
    """

    source: DumpSource
    files: list[OpenFile]
    tensors: dict[str, StoredTensor]
    uncounted: set[str]
    notes: Sequence[Note] = ()
    scale: float = 1.0  # the loss scale
    pieces: RankPieces | None = None
    step: int | None = None
    group: str = ""

    def pieces_of(self, name: str) -> Sequence[StoredTensor]:
        """Return the pieces of a tensor, itself if it is whole; none if the dump does not have it."""
        if self.pieces is None:
            return (self.tensors[name],) if name in self.tensors else ()
        return [self.pieces.stored[index] for index in self.pieces.indices.get(name, ())]

    def named_as(self, other: "ComparedDump") -> "ComparedDump":
        """Return this dump with the names in `other` of tensors that only wrappers distinguish from those there."""
        if self.tensors.keys() == other.tensors.keys() or not (names := other_names(other.tensors, self.tensors)):
            return self
        note = wrappers_note(self.source.location, *next(iter(names.items())))
        return self._replace(
            tensors=_renamed(self.tensors, names),
            uncounted={names.get(name, name) for name in self.uncounted},
            notes=[*self.notes, note],
            pieces=self.pieces and self.pieces._replace(indices=_renamed(self.pieces.indices, names)),
        )

    def steps(self) -> list["ComparedDump"]:
        """Return a dump for each step, in order, if all tensors are in groups named after two or more steps; else the dump.

        Steps of which no tensor is selected are left out. Raises InputError for pieces of ranks in such groups.
        """
        found = step_groups([spec.name for file in self.files for spec in file.tensors])
        if not found.groups:
            return (
                [self._replace(notes=[*self.notes, outside_note(self.source.files[0], found.outside)])]
                if found.outside
                else [self]
            )
        if self.pieces is not None:
            what = "holds several steps, of which each rank has pieces; diff compares ranks of files with one step each"
            raise InputError(what, path=self.source.location)
        return list(self._grouped(found.groups))

    def _grouped(self, groups: Iterable[str]) -> Iterator["ComparedDump"]:
        first = True
        for group in groups:
            start = len(group) + 1
            names = {name: name[start:] for name in self.tensors if name.startswith(f"{group}/")}
            if names:
                yield self._replace(
                    tensors={names[name]: self.tensors[name] for name in names},
                    uncounted={names[name] for name in self.uncounted & names.keys()},
                    notes=self.notes if first else (),
                    step=step_named(group),
                    group=group,
                )
                first = False

    def verify(self) -> None:
        """Raise InputError if a file's own checksums do not match, or if a file has changed."""
        for file in self.files:
            file.reader.verify()


def _renamed(found: Mapping[str, Found], names: Mapping[str, str]) -> dict[str, Found]:
    return {names.get(name, name): one for name, one in found.items()}


@contextmanager
def opened(source: DumpSource, run: Run) -> Iterator[ComparedDump]:
    """Open all files of a dump."""
    with run.open(source) as dump:
        files = dump.all()
        tensors = {
            known.name: StoredTensor.of(file.portable, spec, dump.scale)
            for file in files
            for known, spec in zip(file.tensors, file.reader.tensors, strict=True)
            if run.selection.takes(known.name)
        }
        tensors |= _joined(dump, files, run)
        pieces = _rank_pieces(dump, files, run)
        if pieces is not None:  # of equal names the first counts above all, and no other is lost
            tensors = {name: pieces.stored[indices[0]] for name, indices in pieces.indices.items()}
        uncounted = {name for name, one in tensors.items() if not run.selection.counts(one.spec)}
        yield ComparedDump(source, files, tensors, uncounted, _notes(dump), dump.scale, pieces, dump.step)


def _notes(dump: OpenDump) -> list[Note]:
    """Return the notes on an open dump, and on what in it is not compared."""
    if not dump.non_numeric:
        return [*dump.notes, *dump.step_notes]
    what = f"not numbers, not compared: {shortlist(dump.non_numeric)}"
    return [*dump.notes, *dump.step_notes, Note("not-numbers", f"{dump.source.location}: {what}")]


def _joined(dump: OpenDump, files: Sequence[OpenFile], run: Run) -> dict[str, StoredTensor]:
    """Return the selected tensors that are put together from pieces; raise InputError where copies differ."""
    wholes = {name: whole for name, whole in dump.wholes.items() if run.selection.takes(name)}
    held = [JoinedPiece(file.portable, spec, ()) for file in files for spec in file.reader.tensors] if wholes else []
    found, copies = dict[str, StoredTensor](), dict[int, int]()
    for name, whole in wholes.items():
        joined = Joined(whole.shape, [held[one.place]._replace(offsets=one.offsets) for one in whole.pieces])
        found[name] = StoredTensor.of(joined, joined.spec, dump.scale)
        copies.update(whole.copies)
    check_copies(copies, dump.files, dump.tensors, run)
    return found


def _rank_pieces(dump: OpenDump, files: Sequence[OpenFile], run: Run) -> RankPieces | None:
    """Return the pieces of a dump of ranks; None for a dump of whole tensors, or of pieces that say where they belong."""
    if not dump.source.layout.in_pieces or dump.wholes:
        return None
    stored = [StoredTensor.of(file.portable, spec, dump.scale) for file in files for spec in file.reader.tensors]
    return RankPieces(pieces_by_name(dump, run), stored, dump.files)
