"""Read pieces of tensors, report them as progress, and say beforehand which of a remote file will be read."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gradclip_cli.engine.executors.progress import Progress, portable, silent
from gradclip_cli.engine.executors.receipts import HasReceipts
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

Read = Callable[[TensorSpec, int, Raw], None]
"""Fills raw bytes with the stored elements of a tensor from an element on."""


class ElementSource(HasReceipts, Protocol):
    """Where the elements of a tensor are read: in a file, or in several."""

    @property
    def path(self) -> str:
        """The path of the file, or of the first."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that progress is reported for."""

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on."""


class FileRead(NamedTuple):
    """Reads elements of a file and reports the bytes as progress; a pickled one counts them for that of its sender."""

    file: ElementSource
    progress: Progress = silent

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the stored bytes of a tensor from element `start` on."""
        self.file.read(spec, start, out)
        for path in self.file.paths:
            self.progress(out.size, path)

    def __reduce__(self) -> tuple[type["FileRead"], tuple[ElementSource, Progress]]:
        return FileRead, (self.file, portable(self.progress))


def ahead(
    sources: Sequence[HasReceipts | None], specs: Sequence[TensorSpec], pieces: Iterable[Piece], *, here: bool
) -> Iterable[Piece]:
    """Tell the file of a remote source which pieces are going to be read if that is done `here`; return them."""
    first = sources[0] if sources and here else None
    return first.expect(specs, pieces) if isinstance(first, PortableReader) else pieces


def foretell(read: Read, specs: Sequence[TensorSpec], pieces: Sequence[Piece]) -> None:
    """Tell the file behind `read`, if it is one that is remote, which pieces are going to be read."""
    owner = getattr(read, "__self__", None)
    if isinstance(owner, FileRead) and isinstance(owner.file, PortableReader):
        owner.file.expect(specs, pieces)


def fetch(read: Read, piece: Piece, specs: Sequence[TensorSpec], work: Workspace) -> Raw:
    """Read a piece into `work.raw`."""
    first = specs[piece.index]
    raw = work.raw.take((piece.stop - piece.start) * first.dtype.itemsize, np.uint8)
    read(first, piece.start, raw)
    return raw
