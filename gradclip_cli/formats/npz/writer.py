"""Write an npz archive: stored arrays at their offsets in any order, then deflated ones in a fixed order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradclip_cli.errors import OutputError, reason
from gradclip_cli.formats.by_offset import OffsetWriter, Receipt, reduced
from gradclip_cli.formats.copy_ranges import Copy
from gradclip_cli.formats.npz import archive, deflate, npy
from gradclip_cli.formats.npz.archive import STORED, Member
from gradclip_cli.formats.npz.deflate import Deflater, checksum
from gradclip_cli.formats.npz.reader import NpzReader, key_of
from gradclip_cli.formats.ordered_output import OrderedOutput
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.random_access import write_at
from gradclip_cli.storage.streams import place
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import is_unicode, plural

_LONGEST_NAME = 0xFFFF - len(".npy")


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of the output: either `copied` from the input as it is packed, or `header` and the elements of tensor `index`."""

    name: str
    method: int
    header: bytes = b""
    index: int = -1
    copied: Member | None = None


class NpzWriter:
    """An npz archive whose layout is fixed at the start; CRCs and deflated sizes are filled in when they are known."""

    has_checksums = True

    def __init__(
        self, entries: Sequence[Entry], tensors: Sequence[TensorSpec], fd: int, path: str, comment: bytes = b""
    ) -> None:
        self._entries, self._fd, self._path, self._comment = entries, fd, path, comment
        self.tensors = list(tensors)
        self.notes: Sequence[Note] = ()
        self.copies: list[Copy] = []
        self._at: dict[str, int] = {}
        self._members: dict[str, Member] = {}
        self._sums: dict[int, dict[int, tuple[int, int]]] = {}
        self._packing: dict[int, Deflater] = {}
        self._end = 0
        for entry in entries:
            self._place(entry)
        self.pending = [entry.index for entry in entries if entry.copied is None]
        self._output = OrderedOutput(
            [entry.name for entry in entries if entry.copied is None and entry.method != STORED]
        )
        self._of = {self.tensors[entry.index].name: entry for entry in entries if entry.copied is None}

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from `start` on, and keep their checksum."""
        entry = self._of[spec.name]
        if entry.method == STORED:
            write_at(self._fd, spec.position(start), data.data, self._path)
            self._sums[entry.index][len(entry.header) + start * spec.dtype.itemsize] = checksum(data.data), data.size
            return
        try:
            self._pack(entry, start, data)
            if start + data.size // spec.dtype.itemsize == spec.size:
                packer = self._packing.pop(entry.index)
                packer.finish()
                self._output.submit(entry.name, lambda: self._append(entry, packer))
        except OSError as error:
            raise OutputError(reason(error) + place(self._path), path=self._path) from error

    def receipts(self) -> None:
        """Return None: what is written in this process is known."""

    def take(self, receipts: Sequence[Receipt]) -> None:
        """Keep the checksums of what other processes wrote."""
        for one in receipts:
            entry = self._of[one.tensor]
            self._sums[entry.index][len(entry.header) + one.start] = one.crc, one.nbytes

    def __reduce__(self) -> tuple[type[OffsetWriter], tuple[Any, ...]]:
        return reduced(self.tensors, self.pending, self._fd, self._path, summed=True)

    def finish(self) -> None:
        """Write the local headers and the central directory."""
        for entry in self._entries:
            if entry.index in self._sums:
                found, size = deflate.crc_of_pieces(self._sums[entry.index])
                self._seal(entry, found, size, size)
        placed = [(self._members[entry.name], self._at[entry.name]) for entry in self._entries]
        write_at(self._fd, self._end, archive.directory(placed, self._end, self._comment), self._path)

    def close(self) -> None:
        """Close the temporary files of deflated members."""
        self._output.close()

    def _place(self, entry: Entry) -> None:
        """Reserve the place of an entry whose size is known: a copied or stored one."""
        head = len(archive.local_header(entry.name, entry.method))
        if entry.copied is not None:
            member = entry.copied
            self._reserve(entry, head + member.packed)
            self.copies.append(Copy(member.offset, self._end - member.packed, member.packed))
            self._seal(entry, member.crc, member.packed, member.size)
        elif entry.method == STORED:
            spec = self.tensors[entry.index]
            self._reserve(entry, head + len(entry.header) + spec.nbytes)
            self.tensors[entry.index] = replace(spec, offset=self._end - spec.nbytes)
            write_at(self._fd, self._at[entry.name] + head, entry.header, self._path)
            self._sums[entry.index] = {0: (checksum(entry.header), len(entry.header))}
        else:
            self.tensors[entry.index] = replace(self.tensors[entry.index], offset=None)

    def _reserve(self, entry: Entry, size: int) -> None:
        self._at[entry.name] = self._end
        self._end += size

    def _seal(self, entry: Entry, found: int, packed: int, size: int) -> None:
        self._members[entry.name] = Member(entry.name, entry.method, found, packed, size, 0)
        header = archive.sealed_header(entry.name, entry.method, found, packed, size)
        write_at(self._fd, self._at[entry.name], header, self._path)

    def _pack(self, entry: Entry, start: int, data: Raw) -> None:
        if start == 0:
            self._packing[entry.index] = Deflater(self._output.spool(self._path))
            self._packing[entry.index].write(entry.header)
        self._packing[entry.index].write(data.data)

    def _append(self, entry: Entry, packer: Deflater) -> None:
        head = len(archive.local_header(entry.name, entry.method))
        at = self._end + head
        self._reserve(entry, head + packer.packed)
        with packer.spool as spool:
            while part := spool.read(1 << 20):
                write_at(self._fd, at, part, self._path)
                at += len(part)
        self._seal(entry, packer.crc, packer.packed, packer.size)


def rewrite(reader: NpzReader, changed: Collection[int], fd: int, path: str) -> NpzWriter:
    """Begin a copy with the same members in the same order, packed as before; unchanged members are copied as they are.

    An array whose header numpy could not read gets one that it can.
    """
    return _copy(reader, reader.tensors, changed, fd, path)


def retype(reader: NpzReader, tensors: Sequence[TensorSpec], changed: Collection[int], fd: int, path: str) -> NpzWriter:
    """Begin such a copy of tensors of other dtypes."""
    writer = _copy(reader, tensors, changed, fd, path)
    own = zip(tensors, reader.tensors, strict=True)
    writer.notes = _void_notes([spec for spec, stored in own if spec.dtype.name != stored.dtype.name], path)
    return writer


def _copy(reader: NpzReader, tensors: Sequence[TensorSpec], changed: Collection[int], fd: int, path: str) -> NpzWriter:
    index, changed = {spec.name: k for k, spec in enumerate(tensors)}, set(changed)
    entries = []
    for member, header in reader.entries:
        k = index.get(key_of(member.name)) if header is not None else None
        if header is None or k is None or (k not in changed and header.plain):
            entries.append(Entry(member.name, member.method, copied=member))
        else:
            same = header.plain and tensors[k].dtype == reader.tensors[k].dtype
            entries.append(Entry(member.name, member.method, header.raw if same else npy.header(tensors[k]), k))
    return NpzWriter(entries, tensors, fd, path, archive.comment(reader.file))


def convert(tensors: Sequence[TensorSpec], fd: int, path: str) -> NpzWriter:
    """Begin a new archive of stored arrays, as `numpy.savez` writes it."""
    names = {spec.name for spec in tensors}
    for spec in tensors:
        if reason := _unfit(spec, names):
            raise OutputError(
                f"npz cannot hold it: {reason}; choose another --output-format", path=path, tensor=spec.name
            )
    plain = [replace(spec, fortran=False, dtype=spec.dtype._replace(swapped=False)) for spec in tensors]
    entries = [Entry(f"{spec.name}.npy", STORED, npy.header(spec), k) for k, spec in enumerate(plain)]
    writer = NpzWriter(entries, plain, fd, path)
    writer.notes = _void_notes(tensors, path)
    return writer


def _void_notes(tensors: Sequence[TensorSpec], path: str) -> list[Note]:
    """Note how to read bfloat16, for which numpy has no type."""
    halves = sum(spec.dtype.name == "bfloat16" for spec in tensors)
    what = f"npz has no bfloat16, so {plural(halves, 'tensor')} became |V2; --void-dtype bfloat16 reads them"
    return [Note("dtype", f"{path}: {what}", halves)] if halves else []


def _unfit(spec: TensorSpec, names: set[str]) -> str | None:
    """Return the reason why numpy could not read `spec` from an archive, or None."""
    if spec.dtype.kind == "packed" or (spec.dtype.itemsize == 1 and spec.dtype.is_float):
        return f"numpy has no {spec.dtype.name}"
    if f"{spec.name}.npy" in names:
        return f"numpy takes it for '{spec.name}.npy'"
    if len(spec.shape) > npy.MOST_DIMENSIONS:
        return f"{len(spec.shape)} dimensions; numpy has at most {npy.MOST_DIMENSIONS}"
    if not is_unicode(spec.name):
        return "its name is not Unicode"
    if "\0" in spec.name or len(spec.name.encode()) > _LONGEST_NAME:
        return "its name is too long, or has a NUL in it"
    return None
