"""Ask a child about a file that it has open, and tell its errors with the path and the dataset that they are about."""

import itertools
import threading
from collections.abc import Sequence
from typing import Any

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.hdf5.child import Child, EndedError, shared
from gradclip_cli.formats.hdf5.limits import Limits
from gradclip_cli.formats.hdf5.messages import Message
from gradclip_cli.formats.sharing import calls
from gradclip_cli.storage.base import RandomAccess

_keys = itertools.count()
"""Unique numbers for files."""


class Link:
    """A file that a child has open; if that child dies, the next one opens it again.

    `path` is the file itself; `source` is the file whose structure it has, which is to blame if the child dies. `fatal` are the
    datasets of which a child has died; about them nothing is asked again. A remote file has no descriptor, but is read here.
    """

    def __init__(
        self,
        fd: int | None,
        mode: str,
        size: int,
        source: str,
        path: str,
        remote: RandomAccess | None = None,
    ) -> None:
        self._remote = remote
        self._fd, self._mode, self._size, self._source, self._path = fd, mode, size, source, path
        self._key, self._lock = next(_keys), threading.Lock()
        self._child: Child | None = None
        self.fatal: dict[str, str] = {}
        calls.join()
        self._joined = True

    def ask(
        self, request: str, *arguments: Any, tensors: Sequence[str] = (), nbytes: int = 0, payload: bytes = b""
    ) -> Message:
        """Return the child's answer to a request about these tensors; raise InputError if the child ends.

        It has the time and memory of one request for each of them, and begins them in this order.
        """
        tensor = tensors[0] if tensors else None
        if tensor in self.fatal:
            raise InputError(self.fatal[tensor], path=self._source, tensor=tensor)
        limits = Limits.for_request(self._size, nbytes)
        try:
            with self._lock:  # two threads may ask first
                child = shared.get()
                known = self._child is child
                opening = None if known else [self._mode, self._size]
                files = () if known or self._fd is None else (self._fd,)
                self._child = child
                sent = [self._key, opening, child.forgotten(), *arguments]
                return child.ask(request, sent, limits, Message(None, payload, files), self._remote)
        except EndedError as ended:
            blamed = tensors[max(0, min(ended.begun, len(tensors)) - 1)] if tensors else None
            message = f"HDF5 cannot read it: the file is damaged ({ended})"
            if blamed is not None:
                self.fatal[blamed] = message
            raise InputError(message, path=self._source, tensor=blamed) from ended
        except (InputError, OutputError) as error:
            error.path = error.path or (self._path if isinstance(error, OutputError) else self._source)
            error.tensor = error.tensor or tensor
            raise

    def close(self) -> None:
        """Let the child close the file at its next request."""
        if self._joined:
            self._joined = False
            if self._child is not None:
                self._child.forget(self._key)
            calls.leave()
