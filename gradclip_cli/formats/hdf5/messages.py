"""Exchange messages with a child process: a value as JSON, then raw bytes, and open files as descriptors.

A damaged file may have taken over the child. JSON is safe to read from it, since it makes plain values and runs nothing.
"""

import array
import json
import socket
import struct
from typing import Any, NamedTuple

_HEAD = struct.Struct("<QQ")  # bytes of JSON, bytes of payload
_LONGEST = 4 << 30
_PIECE = 16 << 20
_QUIET = getattr(socket, "MSG_NOSIGNAL", 0)


class Message(NamedTuple):
    """A plain value, with raw bytes and descriptors of open files."""

    value: Any
    payload: bytes | bytearray | memoryview = b""
    files: tuple[int, ...] = ()


def send(channel: socket.socket, message: Message) -> None:
    """Send a message; raise OSError if the other side has ended."""
    text = json.dumps(message.value).encode()
    data = _HEAD.pack(len(text), len(message.payload)) + text
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", message.files))] if message.files else []
    sent = channel.sendmsg([data], beside, _QUIET)
    if sent < len(data):
        channel.sendall(memoryview(data)[sent:], _QUIET)
    if message.payload:
        channel.sendall(message.payload, _QUIET)


def receive(channel: socket.socket) -> Message | None:
    """Return the next message; None if the other side has ended."""
    head, files = _head(channel)
    if len(head) < _HEAD.size:
        return None
    length, extra = _HEAD.unpack(head)
    if length + extra > _LONGEST:
        return None
    text, payload = _exactly(channel, length), _exactly(channel, extra)
    return None if text is None or payload is None else Message(json.loads(text), payload, files)


def _head(channel: socket.socket) -> tuple[bytes, tuple[int, ...]]:
    """Receive the first bytes of a message, and its descriptors."""
    files = array.array("i")
    head, beside, _, _ = channel.recvmsg(_HEAD.size, socket.CMSG_SPACE(files.itemsize))
    for level, kind, data in beside:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(data[: len(data) - len(data) % files.itemsize])
    while head and len(head) < _HEAD.size and (more := channel.recv(_HEAD.size - len(head))):
        head += more
    return head, tuple(files)


def _exactly(channel: socket.socket, count: int) -> bytearray | None:
    """Receive `count` bytes; memory grows with what arrives, not with what is announced. None if the other side ends."""
    found = bytearray()
    while len(found) < count:
        start, step = len(found), min(_PIECE, count - len(found))
        found += bytes(step)
        with memoryview(found) as view:
            got = 1
            while start < len(found) and got:
                got = channel.recv_into(view[start:])
                start += got
        if not got:
            return None
    return found
