"""Readers that can be sent to another process."""

import threading
import weakref
from contextlib import ExitStack

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Format, Options, Reader
from gradclip_cli.formats.opening import one_call, opened
from gradclip_cli.storage.random_access import Fingerprint
from gradclip_cli.storage.streams import STANDARD

How = tuple[str, Options, str, Fingerprint]
"""What `opened` needs to open a file again: its path, how it is read, the name of its format, and its state."""

_opening = threading.Lock()


class PortableReader:
    """An open reader whose pickle names the file: another process opens it there, when it first reads.

    The checksums of what is read there are known there only: `verify` of the reader here cannot look at them.
    """

    def __init__(self, how: How, reader: Reader | None = None) -> None:
        self._how, self._reader = how, reader

    @classmethod
    def of(cls, format: Format, reader: Reader, options: Options) -> "PortableReader":
        """Make a reader portable that was opened with these options; headers that are known here stay here."""
        file = reader.file
        return cls((file.path, options._replace(headers=None), format.name, file.fingerprint), reader)

    @property
    def path(self) -> str:
        """Where the file lies."""
        return self._how[0]

    @property
    def reader(self) -> Reader:
        """The reader itself; raises InputError where the file has to be opened, and has changed or cannot be read."""
        return self._reader if self._reader is not None else self._open()

    def __reduce__(self) -> tuple[type["PortableReader"], tuple[How]]:
        if self.path == STANDARD:
            raise InputError("cannot be read by another process; save it to a file", path=STANDARD)
        return PortableReader, (self._how,)

    def _open(self) -> Reader:
        """Open the file, once for all threads; it is closed when nobody refers to this object any more."""
        with _opening, ExitStack() as unless_open:
            if self._reader is None:
                unless_open.enter_context(one_call())
                _, self._reader = unless_open.enter_context(opened(*self._how))
                weakref.finalize(self, unless_open.pop_all().close)
            return self._reader
