"""The interface of a file format: a reader and a writer for one layout."""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.by_offset import Receipt
from gradclip_cli.formats.copy_ranges import Copy
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.spec_table import without_elements
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order


class Headers:
    """Cache parsed headers: the last one by its bytes and, if `keep` is set, every one by the fingerprint of its file.

    `keep` is set where files are opened again; a header that is costly to hold is kept for the last file only.

    A cache belongs to one call, and to the thread that opens the dumps.
    """

    def __init__(self, keep: bool = False) -> None:
        self.keep = keep
        self._of: dict[Fingerprint, Any] = {}
        self._last: tuple[object, Any] | None = None

    def of_file(self, fingerprint: Fingerprint) -> Any | None:
        """Return the parsed header of the file with this fingerprint, or None."""
        return self._of.get(fingerprint)

    def of_bytes(self, data: object) -> Any | None:
        """Return the last parsed header if its bytes were the same: parsing a million tensors takes seconds."""
        return self._last[1] if self._last is not None and self._last[0] == data else None

    def add(self, fingerprint: Fingerprint, data: object, header: Any) -> None:
        """Remember the parsed header of a file, and the bytes that it was parsed from."""
        self._last = data, header
        if self.keep:
            self._of[fingerprint] = header

    def add_last(self, key: object, header: Any) -> None:
        """Remember, if files are opened again, what was read of this one under a key for `of_bytes`, until the next is opened."""
        if self.keep:
            self._last = key, header


class Options(NamedTuple):
    """How to read files: what the user asked for, and what the caller knows.

    A format may refuse a file of more than `most_tensors` tensors before it parses them.
    """

    void_dtype: str | None = None
    allow_huge: bool = False
    headers: Headers | None = None
    most_tensors: int | None = None


class Reader(Protocol):
    """An open file: its header is read and checked, its elements are not."""

    @property
    def has_checksums(self) -> bool:
        """Whether the file holds checksums that `verify` compares with those of what was read."""

    @property
    def file(self) -> RandomAccess:
        """The file that is read."""

    @property
    def tensors(self) -> Sequence[TensorSpec]:
        """The tensors, in the order of the file."""

    @property
    def non_numeric(self) -> Sequence[str]:
        """The names of entries that are not numbers."""

    @property
    def unmeasured(self) -> Sequence[str]:
        """The names of those of them that may hold floats, such as records, which no norm can take."""

    @property
    def pickled(self) -> Sequence[str]:
        """The names of entries that are pickled objects: never loaded, and in no other format; `non_numeric` lacks them."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself, as texts by their keys."""

    @property
    def notes(self) -> Sequence[Note]:
        """What the user must know about how the file is taken."""

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on, past the end of the tensor if its neighbour adjoins.

        The pieces of a tensor without an offset must be read in order, by one thread. With a `slot`, it adjoins the next slot.
        """

    def receipts(self) -> Any | None:
        """Return and forget the checksums of what was read, which can be sent to the reader of another process; None for none."""

    def take(self, receipts: Any) -> None:
        """Take what `receipts` of a reader in another process returned: `verify` counts it as read here."""

    def verify(self, rest: Sequence[int] | None = None) -> None:
        """Raise InputError if what was read does not match the checksums in the file, or if the file has changed.

        With `rest`, also read the tensors of these indices that are packed or have a checksum, since they may be copied
        unread; a format may read everything else, too.
        """

    def not_convertible(self) -> list[str]:
        """Describe what the file holds besides tensors and would be lost in another format."""

    def close(self) -> None:
        """Release the file."""


@runtime_checkable
class Packed(Protocol):
    """A reader of a format that packs each tensor in one place of the file."""

    def packed_range(self, spec: TensorSpec) -> tuple[int, int]:
        """Return the offset and the size in bytes of what a tensor without an offset is unpacked from."""


@runtime_checkable
class ReadsAhead(Protocol):
    """A reader of a format that packs a tensor in many places, and knows them only when it begins to read."""

    def will_read(self, names: Sequence[str]) -> None:
        """Say which tensors without an offset are going to be read, in this order."""


class Writer(Protocol):
    """A file that is being written to a descriptor.

    Tensors may be written in any order, but one without an offset must be written from first element to last. A pickled writer
    becomes an `OffsetWriter`; pickling it raises TypeError if some tensors can only be written here.
    """

    @property
    def has_checksums(self) -> bool:
        """Whether the file holds checksums of what is written."""

    @property
    def copies(self) -> Sequence[Copy]:
        """The byte ranges to copy from the input."""

    @property
    def pending(self) -> Collection[int]:
        """The indices of the tensors that `write` must fill."""

    @property
    def tensors(self) -> Sequence[TensorSpec]:
        """The tensors, with their offsets in the output."""

    @property
    def notes(self) -> Sequence[Note]:
        """What the user must know about how the output differs from the input."""

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from element `start` on, past the end of the tensor if its neighbour adjoins."""

    def receipts(self) -> None:
        """Return None: what is written in this process is known."""

    def take(self, receipts: Sequence[Receipt]) -> None:
        """Take what a copy in another process says of what it wrote, in any order."""

    def finish(self) -> None:
        """Complete the file after everything is written."""

    def close(self) -> None:
        """Release everything but the descriptor, whether or not the file is complete."""


class Format(NamedTuple):
    """An entry of the registry of formats."""

    name: str
    suffixes: tuple[str, ...]
    copy_keeps_offsets: bool
    """Whether a copy of a file keeps every byte at its offset."""
    matches: Callable[[bytes, RandomAccess], bool]
    """Tell from its first bytes whether a file has this format."""
    open_reader: Callable[[RandomAccess, Options], Reader]
    """Read and check the header."""
    rewrite: Callable[[Any, Collection[int], int, str], Writer]
    """Begin a copy of a reader's file, in the same format, with new elements for the tensors `changed`."""
    convert: Callable[[Sequence[TensorSpec], int, str], Writer]
    """Begin a new file that holds the given tensors in C order."""
    retype: Callable[[Any, Sequence[TensorSpec], Collection[int], int, str], Writer] | None = None
    """Begin a copy of a reader's file, in the same format, whose tensors are those given: of other dtypes, with new elements for
    the tensors of the given indices. None if only a new file can be made."""
    stand_ins: Mapping[str, DType] = MappingProxyType({})
    """The dtypes that hold exactly what the format has no dtype of its own for, by the names of the dtypes that it lacks."""
    mark_clipped: Callable[[int, str], None] | None = None
    """Say in the metadata of an output, if they name its stage, that it was clipped. None if the format has no such metadata."""
    prepare: Callable[[], None] | None = None
    """Begin early, in a call that will open such files, what takes a while to start. None if there is nothing."""


def check_declared(file: RandomAccess, declared: int, options: Options) -> None:
    """Raise InputError if a small file declares very large tensors: reading them could take hours and fill the disk."""
    if declared > 4 << 30 and declared > 1000 * file.size and not options.allow_huge:
        raise InputError(
            f"declares {declared:,} bytes of tensors in a file of {file.size:,}; give --allow-huge if that is right",
            path=file.path,
        )


def read_through(reader: Reader, spec: TensorSpec) -> None:
    """Read a whole tensor and discard it, to find out whether it can be read."""
    for piece in pieces_in_order(Piece(0, 1, 0, spec.size)):
        reader.read(spec, piece.start, np.empty((piece.stop - piece.start) * spec.dtype.itemsize, np.uint8))


def check_shapes(reader: Reader) -> None:
    """Raise InputError for an empty array whose other sizes multiply to more than any library can hold."""
    for spec in without_elements(reader.tensors):
        if prod(size for size in spec.shape if size) * spec.dtype.itemsize >= 1 << 63:
            raise InputError("has sizes whose product no library can hold", path=reader.file.path, tensor=spec.name)
