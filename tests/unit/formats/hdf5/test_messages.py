"""Messages arrive whole, or not at all."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradclip_cli.formats.hdf5.messages import Message, receive, send


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a channel."""
    here, there = socket.socketpair()
    with here, there:
        yield here, there


@pytest.mark.parametrize("value", [None, 3, "ü\udcff", [1.5, ["w", 1 << 62]], {"a": True}], ids=str)
def test_values_come_back(ends: tuple[socket.socket, socket.socket], value: object) -> None:
    """Plain values arrive as they were sent, one message after the other."""
    send(ends[0], Message(value, b"raw"))
    send(ends[0], Message("next"))
    for expected in (Message(value, b"raw"), Message("next")):
        found = receive(ends[1])
        assert found is not None
        assert (found.value, bytes(found.payload), found.files) == expected


def test_a_payload_larger_than_the_channel_holds(ends: tuple[socket.socket, socket.socket]) -> None:
    """Many bytes are sent while they are received."""
    payload = os.urandom(20_000_000)
    sender = threading.Thread(target=send, args=(ends[0], Message(None, payload)))
    sender.start()
    found = receive(ends[1])
    sender.join()
    assert found is not None
    assert bytes(found.payload) == payload


def test_open_files_arrive(ends: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    """A file is sent as what is open, and has a descriptor of its own at the other end."""
    (tmp_path / "a").write_bytes(b"elements")
    with open(tmp_path / "a", "rb") as file:
        send(ends[0], Message("read", files=(file.fileno(),)))
    found = receive(ends[1])
    assert found is not None
    [fd] = found.files
    try:
        assert os.pread(fd, 100, 0) == b"elements"
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    "sent",
    [b"", b"\1", struct.pack("<QQ", 4, 0) + b"nu", struct.pack("<QQ", 4, 9) + b"null" + b"abc"],
    ids=["nothing", "half a head", "half a value", "half a payload"],
)
def test_a_message_that_breaks_off_is_none(ends: tuple[socket.socket, socket.socket], sent: bytes) -> None:
    """Whatever the other side sent before it died is no message."""
    ends[0].sendall(sent)
    ends[0].close()
    assert receive(ends[1]) is None


def test_a_length_that_nothing_has_is_not_waited_for(ends: tuple[socket.socket, socket.socket]) -> None:
    """A process that was taken over can announce what it likes: too much is no message, and takes no memory."""
    ends[0].sendall(struct.pack("<QQ", 2, 1 << 60) + b"{}")
    assert receive(ends[1]) is None


def test_nobody_there_is_an_error_and_no_signal(ends: tuple[socket.socket, socket.socket]) -> None:
    """Sending to a process that has ended raises OSError."""
    ends[1].close()
    with pytest.raises(OSError, match="Broken pipe"):
        send(ends[0], Message(1))
