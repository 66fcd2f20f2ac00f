"""What a file format is: a reader and a writer that share the knowledge of one layout."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple, Protocol

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.headers import Headers
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.random_access import InputFile
from gradclip_cli.tensors import Slab, TensorSpec, in_order

PICKLE_ADVICE = "a pickle is never loaded: save the gradients with safetensors.torch.save_file instead"


class Options(NamedTuple):
    """What a user may say about how files are read, and what the caller knows: headers, and how many tensors are too many.

    A file of more than `most_tensors` may be refused without a look at them, where its format tells.
    """

    void_dtype: str | None = None
    allow_huge: bool = False
    headers: Headers | None = None
    most_tensors: int | None = None


class Copy(NamedTuple):
    """`nbytes` bytes of the input that stand in the output unchanged."""

    source: int
    target: int
    nbytes: int


class Reader(Protocol):
    """A dump that has been opened: its header is read and checked, its elements are not."""

    @property
    def file(self) -> InputFile:
        """The file behind it."""

    @property
    def tensors(self) -> Sequence[TensorSpec]:
        """What is in it, in the order of the file."""

    @property
    def others(self) -> Sequence[str]:
        """What is in it and is not numbers."""

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on, past the end of the tensor if its neighbour adjoins.

        Of a tensor without an offset, pieces are asked for in order, all in one thread.
        """

    def verify(self, rest: bool = False) -> None:
        """Raise if what has been read so far does not agree with the file's own checksums, or if the file has changed.

        With `rest`, what is packed or has a checksum and was not read is gone through as well: it may be copied as it is.
        """

    def extras(self) -> list[str]:
        """Name what the file holds beside tensors, and other formats cannot hold."""

    def close(self) -> None:
        """Let go of the file."""


class Writer(Protocol):
    """A dump that is being written to a descriptor.

    `copies` are the byte ranges to be taken over from the input, `pending` the tensors (indices) that `write` must fill,
    `tensors` where they go; in what order is up to the caller, but a tensor without an offset is written in order.
    """

    copies: Sequence[Copy]
    pending: Collection[int]
    tensors: Sequence[TensorSpec]
    notes: Sequence[str]

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from element `start` on, past the end of the tensor where its neighbour adjoins."""

    def finish(self) -> None:
        """Complete the file once everything is written."""

    def close(self) -> None:
        """Let go of everything but the descriptor, whether the file is complete or not."""


class Format(Protocol):
    """A file format, as the registry knows it."""

    name: str
    suffixes: tuple[str, ...]
    keeps_places: bool
    """Whether, in a copy of a file, every byte stands where it stood."""

    def fits(self, head: bytes, file: InputFile) -> bool:
        """Tell from the first bytes whether a file is of this format."""

    def open(self, file: InputFile, options: Options) -> Reader:
        """Read and check the header."""

    def rewrite(self, reader: Reader, changed: Collection[int], fd: int, path: str) -> Writer:
        """Begin a copy of `reader`'s file, of this same format, in which the elements of the tensors `changed` are replaced."""

    def convert(self, tensors: Sequence[TensorSpec], fd: int, path: str) -> Writer:
        """Begin a new file that holds `tensors`, in C order."""


def check_declared(file: InputFile, declared: int, options: Options) -> None:
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


def around(reader: Reader, changed: Collection[int]) -> list[Copy]:
    """The byte ranges of a file outside the elements of the tensors `changed`."""
    spans = sorted(
        (spec.offset, spec.offset + spec.nbytes)
        for k, spec in enumerate(reader.tensors)
        if k in changed and spec.offset is not None and spec.size
    )
    edges = [(0, 0), *spans, (reader.file.size, reader.file.size)]
    return [Copy(end, end, start - end) for (_, end), (start, _) in pairwise(edges) if start > end]


def besides(copies: Iterable[Copy], written: Iterable[tuple[int, int]]) -> Iterator[Copy]:
    """What is left of `copies`, ascending, where the byte ranges `written` of the output stand there already.

    >>> list(besides([Copy(0, 0, 10)], [(6, 8), (2, 6)]))
    [Copy(source=0, target=0, nbytes=2), Copy(source=8, target=8, nbytes=2)]
    """
    ranges = iter(sorted(written))
    start, stop = next(ranges, (0, 0))
    for copy in copies:
        at, end, shift = copy.target, copy.target + copy.nbytes, copy.source - copy.target
        while at < end:
            while stop <= at and (following := next(ranges, None)):
                start, stop = following
            until = end if stop <= at else max(at, min(start, end))
            if until > at:
                yield Copy(at + shift, at, until - at)
            at = until if stop <= until else stop
