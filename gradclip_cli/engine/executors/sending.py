"""Send values to another process of this machine, with the descriptors of the files that they write to."""

import io
import os
import pickle
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from gradclip_cli.storage.descriptor import Descriptor


class Sent(NamedTuple):
    """A value as bytes, and the descriptors that go with them, by `socket.send_fds` or by inheritance."""

    data: bytes
    fds: Sequence[int]


def packed(value: object) -> Sent:
    """Pickle a value; raise TypeError or another error of `pickle` if a part of it cannot leave this process."""
    fds: list[int] = []

    def reduce(one: Descriptor) -> tuple[type["_Received"], tuple[int]]:
        fds.append(one.fd)
        return _Received, (len(fds) - 1,)

    target = io.BytesIO()
    pickler = pickle.Pickler(target, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {Descriptor: reduce}  # asked for a class, so that no other object costs anything
    pickler.dump(value)
    return Sent(target.getvalue(), fds)


class _Owned(Descriptor):
    """A descriptor that belongs to the value that holds it, and is closed with that."""

    __slots__ = ()

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.fd)


class _Received:
    """Stands in the bytes for a descriptor: what unpickles as the one of this number among those that came along."""

    fds: Sequence[int] = ()

    def __new__(cls, number: int) -> Any:
        """Return the descriptor."""
        return _Owned(cls.fds[number])


def unpacked(sent: Sent) -> Any:
    """Return the value; its descriptors are those of `sent`, which are closed with it. Not for several threads at once."""
    _Received.fds = sent.fds
    try:
        return pickle.loads(sent.data)  # noqa: S301 - it comes from the process that started this one
    finally:
        _Received.fds = ()
