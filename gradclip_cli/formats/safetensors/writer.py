"""Write a safetensors file: the header first, then tensors at their offsets in any order."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradclip_cli.errors import OutputError, reason
from gradclip_cli.formats.base import Reader
from gradclip_cli.formats.by_offset import OffsetWriter, Receipt, reduced
from gradclip_cli.formats.copy_ranges import Copy, unchanged_ranges
from gradclip_cli.formats.safetensors.header import DTYPES, MAX_HEADER
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.spec_table import picked
from gradclip_cli.storage.random_access import write_at
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import is_unicode

_CODES = {dtype: code for code, dtype in DTYPES.items()}
_BEFORE, _AFTER = b'"stage":"before-clip"', b'"stage":"after-clip"'


class SafetensorsWriter:
    """A safetensors file whose header is written; tensors go to their offsets in any order."""

    has_checksums = False
    notes: Sequence[Note] = ()

    def __init__(
        self, tensors: Sequence[TensorSpec], pending: Collection[int], copies: Sequence[Copy], fd: int, path: str
    ) -> None:
        self.tensors, self.pending, self.copies = tensors, pending, copies
        self._fd, self._path = fd, path

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from `start` on."""
        write_at(self._fd, spec.position(start), data.data, self._path)

    def receipts(self) -> None:
        """Return None: what is written in this process is known."""

    def take(self, receipts: Sequence[Receipt]) -> None:
        """Do nothing: the file holds no checksums."""

    def __reduce__(self) -> tuple[type[OffsetWriter], tuple[Any, ...]]:
        return reduced(self.tensors, self.pending, self._fd, self._path)

    def finish(self) -> None:
        """Do nothing: everything is in its place."""

    def close(self) -> None:
        """Do nothing: the descriptor belongs to the caller."""


def rewrite(reader: Reader, changed: Collection[int], fd: int, path: str) -> SafetensorsWriter:
    """Begin a copy with the same header, byte for byte."""
    copies = unchanged_ranges(reader.file.size, picked(reader.tensors, list(changed)))
    return SafetensorsWriter(reader.tensors, changed, copies, fd, path)


def retype(
    reader: Reader, tensors: Sequence[TensorSpec], changed: Collection[int], fd: int, path: str
) -> SafetensorsWriter:
    """Begin a new file of these tensors with the metadata of the reader's; all of them are written again."""
    return _new(tensors, reader.metadata, fd, path)


def convert(tensors: Sequence[TensorSpec], fd: int, path: str) -> SafetensorsWriter:
    """Begin a new file; elements are in the byte order of this machine."""
    return _new(tensors, {}, fd, path)


def _new(tensors: Sequence[TensorSpec], metadata: Mapping[str, str], fd: int, path: str) -> SafetensorsWriter:
    own = describe(tensors, path)
    header = {"__metadata__": dict(metadata), **own} if metadata else own
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise OutputError(f"safetensors cannot hold so many names: a header of {len(text):,} bytes", path=path)
    write_at(fd, 0, len(text).to_bytes(8, "little") + text, path)
    placed = [
        replace(
            spec,
            offset=8 + len(text) + header[spec.name]["data_offsets"][0],
            fortran=False,
            dtype=spec.dtype._replace(swapped=False),
        )
        for spec in tensors
    ]
    return SafetensorsWriter(placed, range(len(placed)), (), fd, path)


def describe(tensors: Sequence[TensorSpec], path: str) -> dict[str, Any]:
    """Return the header of a new file; wider dtypes come first, as in the official writer, so that all are aligned."""
    order = sorted(range(len(tensors)), key=lambda k: -_alignment(tensors[k]))
    header: dict[str, Any] = {}
    end = 0
    for k in order:
        spec = tensors[k]
        code = _CODES.get(spec.dtype._replace(swapped=False))
        if not is_unicode(spec.name):
            raise OutputError("safetensors cannot hold it: its name is not Unicode", path=path, tensor=spec.name)
        if code is None or spec.name == "__metadata__":
            message = f"safetensors cannot hold it ({spec.dtype.name}); choose another --output-format"
            raise OutputError(message, path=path, tensor=spec.name)
        header[spec.name] = {"dtype": code, "shape": list(spec.shape), "data_offsets": [end, end + spec.nbytes]}
        end += spec.nbytes
    return header


def _alignment(spec: TensorSpec) -> int:
    """Return the size in bytes at a multiple of which a tensor has to begin; packed values begin anywhere."""
    return spec.dtype.itemsize if spec.dtype.values == 1 else 0


def mark_clipped(fd: int, path: str) -> None:
    """Say in the header of an output that it was clipped; the header keeps its length, since blanks may end it.

    A quote inside a name has a backslash before it, so that these bytes are found as a key with its value only. Raises
    OutputError if the output cannot be read or written.
    """
    try:
        header = os.pread(fd, int.from_bytes(os.pread(fd, 8, 0), "little"), 8)
    except OSError as error:
        raise OutputError(reason(error), path=path) from error
    if header.count(_BEFORE) == 1:
        write_at(fd, 8, header.replace(_BEFORE, _AFTER) + b" " * (len(_BEFORE) - len(_AFTER)), path)
