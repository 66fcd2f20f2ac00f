"""Readers that can be sent to another process."""

import threading
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Format, Options, Reader
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.storage.streams import STANDARD

How = tuple[str, Options, str, Fingerprint]
"""The arguments of `opened` that open a file again: path, options, name of the format, fingerprint."""

_opening = threading.Lock()


class PortableReader:
    """An open reader that can be pickled: another process opens the file again when it first reads.

    `verify` of the reader here checks what was read there only if it was given the receipts, as `engine.mapping` does.
    """

    def __init__(self, how: How, reader: Reader | None = None) -> None:
        self.how, self._reader, self._is_elsewhere = how, reader, reader is None

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
    def has_checksums(self) -> bool:
        """Whether the file holds checksums that `verify` of the reader compares."""
        return self.reader.has_checksums

    @property
    def readers(self) -> Sequence[Reader]:
        """The reader of each file that is read."""
        return (self.reader,)

    def receipts(self) -> Any | None:
        """Return and forget the checksums of what was read in another process than the one that opened the file first."""
        return self._reader.receipts() if self._is_elsewhere and self._reader is not None else None

    def take(self, receipts: Any) -> None:
        """Give the reader what its copy in another process has read."""
        self.reader.take(receipts)

    def __reduce__(self) -> tuple[type["PortableReader"], tuple[How]]:
        if self.path == STANDARD:
            raise InputError("cannot be read by another process; save it to a file", path=STANDARD)
        return PortableReader, (self.how,)

    def _open(self) -> Reader:
        """Open the file once for all threads; it is closed when this object is garbage-collected."""
        with _opening, ExitStack() as unless_open:
            if self._reader is None:
                unless_open.enter_context(one_call())
                _, self._reader = unless_open.enter_context(opened(*self.how))
                weakref.finalize(self, unless_open.pop_all().close)
            return self._reader
