"""Exchange pickled values with a worker process, and open files as descriptors. Both sides are this program."""

import pickle
import socket
import struct
from typing import Any

from gradclip_cli.engine.executors.sending import Sent

_HEAD = struct.Struct("<Q")  # bytes of the pickle
_ROOM = 256 << 10
MOST_FILES = 253
"""The most descriptors that Linux sends with one message."""
_QUIET = getattr(socket, "MSG_NOSIGNAL", 0)
SMALL = 32 << 10
"""A message of at most so many bytes never waits until the other side reads, if one other such message is on its way."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, with as much room on every system as on Linux; raise OSError if there are none."""
    found = socket.socketpair()
    for one in found:
        for room in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            one.setsockopt(socket.SOL_SOCKET, room, _ROOM)
    return found


def send(channel: socket.socket, sent: Sent) -> None:
    """Send a pickled value with its descriptors; raise OSError if the other side has ended."""
    fds = list(sent.fds)
    head = _HEAD.pack(len(sent.data))
    if not fds and len(sent.data) <= SMALL:
        channel.sendall(head + sent.data, _QUIET)
        return
    done = socket.send_fds(channel, [head], fds, _QUIET) if fds else 0
    channel.sendall(head[done:], _QUIET)
    channel.sendall(sent.data, _QUIET)


def send_value(channel: socket.socket, value: object) -> None:
    """Pickle and send a plain value."""
    send(channel, Sent(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), ()))


def receive(channel: socket.socket) -> Sent | None:
    """Return the next pickled value with its descriptors; None if the other side has ended."""
    try:
        head, fds, _, _ = socket.recv_fds(channel, _HEAD.size, MOST_FILES)
        head += _exactly(channel, _HEAD.size - len(head)) if head else b""
        data = _exactly(channel, _HEAD.unpack(head)[0])
    except (OSError, struct.error, EOFError):
        return None
    return Sent(data, fds)


def receive_value(channel: socket.socket) -> Any:
    """Return the next plain value; raise EOFError if the other side has ended."""
    sent = receive(channel)
    if sent is None:
        raise EOFError
    return pickle.loads(sent.data)  # noqa: S301 - both sides are this program


def _exactly(channel: socket.socket, count: int) -> bytes:
    """Receive `count` bytes; raise EOFError if the other side ends before."""
    found = bytearray(count)
    done = 0
    with memoryview(found) as view:
        while done < count:
            got = channel.recv_into(view[done:])
            if not got:
                raise EOFError
            done += got
    return bytes(found)
