"""Keep where the tensors of a measured dump can be read again, in little memory: the pieces of any of them, by number."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.opened import DumpFile, file_of
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.groups import Groups, groups_of


class TensorPiece(NamedTuple):
    """A tensor of a file, or a piece of one: its file, and its number there."""

    file: DumpFile
    number: int


class TensorPlaces(NamedTuple):
    """The files of a dump, and for each of its tensors, in the order of `named`, the index of its first piece.

    `several` has all pieces of those that have more than one.
    """

    source: DumpSource
    files: Sequence[DumpFile]
    firsts: NDArray[np.int32]
    several: Mapping[int, Sequence[int]]
    row: int | None
    scale: float  # the loss scale

    @classmethod
    def of(cls, dump: MeasuredDump, pieces: Sequence[Sequence[int]] | None = None) -> "TensorPlaces":
        """Take the places of the measured tensors of a dump, or of those whose `pieces` are given, in that order."""
        groups = Groups.of(groups_of(dump.named) if pieces is None else pieces)
        firsts = groups.firsts.astype(np.int32)
        several = {k: groups[k] for k in np.flatnonzero(np.diff(groups.starts) > 1).tolist()}
        return cls(dump.source, dump.files, firsts, several, dump.row, dump.stats.scale)

    @classmethod
    def of_one(cls, dump: MeasuredDump, indices: Sequence[int]) -> "TensorPlaces":
        """Take the place of one measured tensor of a dump, which becomes number 0."""
        files = list({dump.file_of(index).start: dump.file_of(index) for index in indices}.values())
        several = {0: list(indices)} if len(indices) > 1 else {}
        return cls(dump.source, files, np.array(indices[:1], np.int32), several, dump.row, dump.stats.scale)

    def indices(self, tensor: int) -> Sequence[int]:
        """Return the indices in the dump of the pieces of a tensor."""
        return self.several.get(tensor, [int(self.firsts[tensor])])

    def pieces(self, tensor: int) -> list[TensorPiece]:
        """Return the pieces of a tensor."""
        found = []
        for index in self.indices(tensor):
            file = file_of(self.files, index)
            found.append(TensorPiece(file, index - file.start))
        return found
