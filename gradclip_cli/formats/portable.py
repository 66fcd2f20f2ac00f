"""Readers that can be sent to another process."""

import threading
import weakref
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Format, Options, Packed, Reader, ReadsAhead
from gradclip_cli.formats.by_offset import OffsetReader
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.storage.locations import is_remote
from gradclip_cli.storage.streams import is_of_this_process
from gradclip_cli.tensors import Piece, TensorSpec

How = tuple[str, Options, str, Fingerprint]
"""The arguments of `opened` that open a file again: path, options, name of the format, fingerprint."""

_opening = threading.Lock()


class PortableReader:
    """An open reader that can be pickled: another process opens the file again when it first reads.

    There it reads the header only for elements that have no offset, or if `reader` is asked for. `verify` of the reader here
    checks what was read there only if it was given the receipts, as `executors.receipts` gives them.
    """

    def __init__(self, how: How, reader: Reader | None = None, summed: bool = False) -> None:
        self.how, self._reader = how, reader
        self._by_offset = OffsetReader(how[0], how[3], summed) if reader is None else None

    @classmethod
    def of(cls, format: Format, reader: Reader, options: Options) -> "PortableReader":
        """Wrap a reader that was opened with these options, without the cache of headers."""
        file, alone = reader.file, Options(options.void_dtype, options.allow_huge, None, options.most_tensors)
        return cls((file.path, alone, format.name, file.fingerprint), reader)

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.how[0]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all files that are read."""
        return (self.path,)

    @property
    def fingerprints(self) -> list[tuple[str, Fingerprint]]:
        """The path and the fingerprint of each file that is read."""
        return [(self.path, self.how[3])]

    @property
    def reader(self) -> Reader:
        """The reader; raises InputError if the file must be opened first, and has changed or cannot be read."""
        return self._reader if self._reader is not None else self._open()

    @property
    def has_checksums(self) -> bool:
        """Whether the file holds checksums that `verify` of the reader compares."""
        return self.reader.has_checksums

    @property
    def readers(self) -> Sequence[Reader]:
        """The reader of each file that is read."""
        return (self.reader,)

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on."""
        if self._by_offset is None or spec.offset is None:
            self.reader.read(spec, start, out)
        else:
            self._by_offset.read(spec, start, out)

    def expect(self, specs: Sequence[TensorSpec], pieces: Iterable[Piece]) -> Iterable[Piece]:
        """Tell a remote file which pieces are going to be read, in their order, to fetch them early; return the pieces."""
        if not is_remote(self.path):
            return pieces
        listed, reader = list(pieces), self._reader
        every = (_range_of(reader, specs[piece.index], piece) for piece in listed)
        if ranges := [one for one in every if one is not None]:
            file = self._by_offset.file if reader is None and self._by_offset is not None else self.reader.file
            file.expect(ranges)
        _foretell(reader, (specs[piece.index] for piece in listed if piece.count == 1))
        return listed

    def receipts(self) -> list[Any] | None:
        """Return and forget the checksums of what was read in another process than the one that opened the file first."""
        readers = (self._by_offset, self._reader) if self._by_offset is not None else ()
        found = [receipts for one in readers if one is not None and (receipts := one.receipts()) is not None]
        return found or None

    def take(self, receipts: list[Any]) -> None:
        """Give the reader what its copy in another process has read."""
        for one in receipts:
            self.reader.take(one)

    def __reduce__(self) -> tuple[type["PortableReader"], tuple[How, None, bool]]:
        if is_remote(self.path):  # it has its connections here
            raise InputError("is read by one process", path=self.path)
        return self.as_bytes()

    def as_bytes(self) -> tuple[type["PortableReader"], tuple[How, None, bool]]:
        """Return what pickles this for another machine, which has connections of its own."""
        if is_of_this_process(self.path):
            raise InputError("cannot be read by another process; save it to a file", path=self.path)
        return PortableReader, (self.how, None, self._reader is not None and self._reader.has_checksums)

    def _open(self) -> Reader:
        """Open the file once for all threads; it is closed when this object is garbage-collected."""
        with _opening, ExitStack() as unless_open:
            if self._reader is None:
                unless_open.enter_context(one_call())
                _, self._reader = unless_open.enter_context(opened(*self.how))
                weakref.finalize(self, unless_open.pop_all().close)
            return self._reader


def _foretell(reader: object, specs: Iterable[TensorSpec]) -> None:
    if isinstance(reader, ReadsAhead):
        reader.will_read([spec.name for spec in specs if spec.offset is None])


def _range_of(reader: Reader | None, spec: TensorSpec, piece: Piece) -> tuple[int, int] | None:
    """Return where a piece lies in a file, as offset and size in bytes."""
    if spec.offset is None:
        return reader.packed_range(spec) if isinstance(reader, Packed) else None
    return spec.position(piece.start), (piece.stop - piece.start) * spec.dtype.itemsize
