"""What a file format is: a reader and a writer that share the knowledge of one layout."""

from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.copy_ranges import Copy
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.storage.random_access import RandomAccess
from gradclip_cli.tensors import Slab, TensorSpec, in_order

PICKLE_ADVICE = "a pickle is never loaded: save the gradients with safetensors.torch.save_file instead"


class Headers:
    """What formats parsed: of every file by its fingerprint where `keep` is set, and of the last file by the bytes of its header.

    It belongs to one call, and to the thread that opens its dumps.
    """

    def __init__(self, keep: bool = False) -> None:
        self._keep = keep
        self._of: dict[Fingerprint, Any] = {}
        self._last: tuple[object, Any] | None = None

    def of_file(self, fingerprint: Fingerprint) -> Any | None:
        """Return what was parsed of this very file."""
        return self._of.get(fingerprint)

    def of_bytes(self, data: object) -> Any | None:
        """Return what was parsed of the last header, if that was the same; of a million tensors it takes seconds."""
        return self._last[1] if self._last is not None and self._last[0] == data else None

    def add(self, fingerprint: Fingerprint, data: object, header: Any) -> None:
        """Take note of what was parsed of a file, and from what."""
        self._last = data, header
        if self._keep:
            self._of[fingerprint] = header


class Options(NamedTuple):
    """What a user may say about how files are read, and what the caller knows: headers, and how many tensors are too many.

    A file of more than `most_tensors` may be refused without a look at them, where its format tells.
    """

    void_dtype: str | None = None
    allow_huge: bool = False
    headers: Headers | None = None
    most_tensors: int | None = None


class Reader(Protocol):
    """A dump that has been opened: its header is read and checked, its elements are not."""

    @property
    def file(self) -> RandomAccess:
        """The file behind it."""

    @property
    def tensors(self) -> Sequence[TensorSpec]:
        """What is in it, in the order of the file."""

    @property
    def non_numeric(self) -> Sequence[str]:
        """What is in it and is not numbers."""

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on, past the end of the tensor if its neighbour adjoins.

        Of a tensor without an offset, pieces are asked for in order, all in one thread.
        """

    def verify(self, rest: bool = False) -> None:
        """Raise if what has been read so far does not agree with the file's own checksums, or if the file has changed.

        With `rest`, what is packed or has a checksum and was not read is gone through as well: it may be copied as it is.
        """

    def not_convertible(self) -> list[str]:
        """Name what the file holds beside tensors, and other formats cannot hold."""

    def close(self) -> None:
        """Let go of the file."""


class Writer(Protocol):
    """A dump that is being written to a descriptor.

    In what order tensors are written is up to the caller, but one without an offset is written from first to last.
    """

    @property
    def copies(self) -> Sequence[Copy]:
        """The byte ranges to be taken over from the input."""

    @property
    def pending(self) -> Collection[int]:
        """The tensors (indices) that `write` must fill."""

    @property
    def tensors(self) -> Sequence[TensorSpec]:
        """Where tensors go."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of how the output differs."""

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from element `start` on, past the end of the tensor where its neighbour adjoins."""

    def finish(self) -> None:
        """Complete the file once everything is written."""

    def close(self) -> None:
        """Let go of everything but the descriptor, whether the file is complete or not."""


class Format(NamedTuple):
    """A file format, as the registry knows it."""

    name: str
    suffixes: tuple[str, ...]
    copy_keeps_offsets: bool
    """Whether, in a copy of a file, every byte stands where it stood."""
    matches: Callable[[bytes, RandomAccess], bool]
    """Tell from the first bytes whether a file is of this format."""
    open_reader: Callable[[RandomAccess, Options], Reader]
    """Read and check the header."""
    rewrite: Callable[[Any, Collection[int], int, str], Writer]
    """Begin a copy of a reader's file, of this same format, in which the elements of the tensors `changed` are replaced."""
    convert: Callable[[Sequence[TensorSpec], int, str], Writer]
    """Begin a new file that holds the tensors, in C order."""


def check_declared(file: RandomAccess, declared: int, options: Options) -> None:
    """Refuse a small file that claims to hold very much: reading it could take hours and fill the disk."""
    if declared > 4 << 30 and declared > 1000 * file.size and not options.allow_huge:
        raise InputError(
            f"declares {declared:,} bytes of tensors in a file of {file.size:,}; give --allow-huge if that is right",
            path=file.path,
        )


def read_through(reader: Reader, spec: TensorSpec) -> None:
    """Read a tensor to its end for nothing but the errors that this may show."""
    for piece in in_order(Slab(0, 1, 0, spec.size), spec):
        reader.read(spec, piece.start, np.empty((piece.stop - piece.start) * spec.dtype.itemsize, np.uint8))


def check_shapes(reader: Reader) -> None:
    """Refuse arrays without elements that no library can hold nevertheless, since all of them multiply the other sizes."""
    for spec in reader.tensors:
        if not spec.size and prod(size for size in spec.shape if size) * spec.dtype.itemsize >= 1 << 63:
            raise InputError("has sizes whose product no library can hold", path=reader.file.path, tensor=spec.name)
