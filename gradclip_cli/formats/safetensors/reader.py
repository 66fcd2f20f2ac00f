"""Read a safetensors file: the elements of each tensor lie at its offset."""

from collections.abc import Sequence
from typing import Any

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.safetensors.header import MAX_HEADER, Header, parse_header
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

_LARGE = 1 << 20
"""The bytes from which a header is large: that of 10,000 tensors."""


def matches(head: bytes, file: RandomAccess) -> bool:
    """Recognise the format by the brace that opens the header."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= max(file.size, MAX_HEADER)


class SafetensorsReader:
    """An open safetensors file; tensors are in the order of their data."""

    has_checksums = False
    non_numeric: Sequence[str] = ()
    pickled: Sequence[str] = ()
    unmeasured: Sequence[str] = ()

    def __init__(self, file: RandomAccess, options: Options) -> None:
        self.file = file
        headers = options.headers
        known: Header | None = headers.of_file(file.fingerprint) if headers is not None else None
        header = known or _read_header(file, options)
        self.begin, self.metadata, self.tensors, packed = header
        self.notes: Sequence[Note] = [_packed(packed, file.path)] if packed else ()

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on."""
        self.file.read_into(spec.position(start), out)

    def receipts(self) -> None:
        """Return None: the file holds no checksums."""

    def take(self, receipts: Any) -> None:
        """Do nothing."""

    def verify(self, rest: Sequence[int] | None = None) -> None:
        """Raise InputError if the file has changed since it was opened."""
        self.file.check_unchanged()

    def not_convertible(self) -> list[str]:
        """Describe `__metadata__` by its keys."""
        return [f"__metadata__ ({shortlist(list(self.metadata))})"] if self.metadata else []

    def close(self) -> None:
        """Do nothing: the descriptor belongs to the caller."""


def _read_header(file: RandomAccess, options: Options) -> Header:
    """Read the header; parse it unless the same bytes were parsed before."""
    headers, most = options.headers, options.most_tensors
    length = int.from_bytes(file.read(0, 8), "little")
    if length > min(MAX_HEADER, file.size - 8):
        raise InputError(f"header of {length:,} bytes, in a file of {file.size:,}", path=file.path)
    data = file.read(8, length)
    if most is not None and data.count(b'"data_offsets"') > most:
        raise InputError(f"holds more tensors than {most}", path=file.path)
    key = file.size, data if length < _LARGE else _digest(data)
    header: Header | None = headers.of_bytes(key) if headers is not None else None
    if header is None:
        header = _parsed(data, file)
    if headers is not None:
        headers.add(file.fingerprint, key, header)
    return header


def _parsed(data: bytes, file: RandomAccess) -> Header:
    """Parse a header; a large one becomes a table, if nothing about it is rare or wrong."""
    if len(data) >= _LARGE:
        from gradclip_cli.formats.safetensors.large_header import parse_large

        if (header := parse_large(data, file.size, file.path)) is not None:
            return header
    return parse_header(data, file.size, file.path)


def _digest(data: bytes) -> bytes:
    """Return what tells a large header from others: its bytes would be kept as long as the call."""
    from hashlib import blake2b

    return blake2b(data).digest()


def _packed(names: list[str], path: str) -> Note:
    what = f"values and scales of MX types, in no norm and left as they are: {shortlist(names)}"
    return Note("packed", f"{path}: {what}; multiply them out to float32 to count them", changes_figures=True)
