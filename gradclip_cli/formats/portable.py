"""Readers that can be sent to another process."""

import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from weakref import WeakValueDictionary
from zlib import crc32

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Format, Options, Reader
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.fingerprint import Fingerprint, changed
from gradclip_cli.storage.random_access import InputFile
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.tensors import TensorSpec

How = tuple[str, Options, str, Fingerprint]
"""The arguments of `opened` that open a file again: path, options, name of the format, fingerprint."""

Checksum = tuple[str, int, int, int]
"""The arguments of `TakeChecksum`: the name of a tensor, the first byte of its elements, the CRC-32, and how many bytes."""

_OF_THIS_PROCESS = "/dev/fd/", "/dev/std", "/proc/"
_opening = threading.Lock()
_numbers = count(1)
_sent: "WeakValueDictionary[int, PortableReader]" = WeakValueDictionary()  # here, by the numbers of their copies
_copies: "WeakValueDictionary[int, _Elements]" = WeakValueDictionary()  # of readers of another process, by number


class PortableReader:
    """An open reader that can be pickled: another process opens the file again when it first reads.

    The copy reads elements that have an offset without the header. It keeps their checksums, if the format has any, until
    `taken_checksums` hands them out; `take_checksums` lets the reader here verify them.
    """

    def __init__(self, how: How, reader: Reader | None = None, number: int = 0, checked: bool = False) -> None:
        self.how, self._reader = how, reader
        self._number = number if reader is not None else 0
        self._elements = _Elements(how, number, checked) if number else None

    @classmethod
    def of(cls, format: Format, reader: Reader, options: Options) -> "PortableReader":
        """Wrap a reader that was opened with these options, without the cache of headers."""
        file = reader.file
        return cls((file.path, options._replace(headers=None), format.name, file.fingerprint), reader)

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
    def readers(self) -> Sequence[Reader]:
        """The reader of each file that is read."""
        return (self.reader,)

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on."""
        if self._elements is None or spec.offset is None:
            self.reader.read(spec, start, out)
        else:
            self._elements.read(spec, start, out)

    def take_checksums(self, found: Sequence[Checksum]) -> None:
        """Let `verify` check elements that a copy has read."""
        if self._reader is not None and self._reader.take_checksum is not None:
            for one in found:
                self._reader.take_checksum(*one)

    def __reduce__(self) -> tuple[type["PortableReader"], tuple[How, None, int, bool]]:
        if self.path == STANDARD or self.path.startswith(_OF_THIS_PROCESS):
            raise InputError("cannot be read by another process; save it to a file", path=self.path)
        if not self._number:
            self._number = next(_numbers)
            _sent[self._number] = self
        checked = self._reader is not None and self._reader.take_checksum is not None
        return PortableReader, (self.how, None, self._number, checked)

    def _open(self) -> Reader:
        """Open the file once for all threads; it is closed when this object is garbage-collected."""
        with _opening, ExitStack() as unless_open:
            if self._reader is None:
                unless_open.enter_context(one_call())
                _, self._reader = unless_open.enter_context(opened(*self.how))
                weakref.finalize(self, unless_open.pop_all().close)
            return self._reader


class _Elements:
    """A file whose elements are read at their offsets; its header is not. For one thread."""

    def __init__(self, how: How, number: int, checked: bool) -> None:
        self._path, self._fingerprint, self._checked = how[0], how[3], checked
        self._file: InputFile | None = None
        self.checksums: list[Checksum] = []
        _copies[number] = self

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on; raise InputError if the file has changed."""
        file = self._file if self._file is not None else self._open()
        file.read_into(spec.position(start), out)
        if self._checked:
            self.checksums.append((spec.name, start * spec.dtype.itemsize, crc32(out.data), out.size))

    def _open(self) -> InputFile:
        with _opening:
            if self._file is None:
                file = InputFile(self._path)
                weakref.finalize(self, file.__exit__, None, None, None)
                if file.fingerprint != self._fingerprint:
                    raise changed(self._path)
                self._file = file
            return self._file


def taken_checksums() -> dict[int, list[Checksum]]:
    """Return the checksums of what copies in this process have read since the last call, by the number of the reader."""
    found = {}
    for number, copy in list(_copies.items()):
        if copy.checksums:
            found[number], copy.checksums = copy.checksums, []
    return found


def take_checksums(found: Mapping[int, Sequence[Checksum]]) -> None:
    """Hand the checksums from another process to the readers here."""
    for number, checksums in found.items():
        reader = _sent.get(number)
        if reader is not None:
            reader.take_checksums(checksums)
