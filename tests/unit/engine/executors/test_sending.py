"""Values go to another process with the files that they write to."""

import os
import pickle
import socket
from pathlib import Path

import pytest

from gradclip_cli.engine.executors.sending import Sent, packed, unpacked
from gradclip_cli.storage.descriptor import Descriptor


def test_what_arrives_writes_to_the_same_file(tmp_path: Path) -> None:
    """Two descriptors inside a value arrive as two descriptors of the same files, each in its place, and end with it."""
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("a", "b")]
    data, fds = packed({"a": Descriptor(files[0]), "rest": [1, Descriptor(files[1])]})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(ours, [data], list(fds))
        arrived, found, _, _ = socket.recv_fds(theirs, 1 << 16, 4)
    value = unpacked(Sent(arrived, found))
    os.pwrite(value["a"].fd, b"first", 0)
    os.pwrite(value["rest"][1].fd, b"second", 0)
    for fd in files:
        os.close(fd)
    del value
    for fd in found:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"first", b"second")


def test_a_value_without_files_is_plain_pickle() -> None:
    """Nothing goes along with numbers and texts."""
    sent = packed((1, "two"))
    assert (unpacked(sent), list(sent.fds)) == ((1, "two"), [])


def test_a_file_is_not_sent_alone() -> None:
    """A plain pickle cannot hold an open file."""
    with pytest.raises(TypeError, match="together with its descriptor"):
        pickle.dumps(Descriptor(0))


def test_what_cannot_be_sent_is_refused() -> None:
    """A value that belongs to this process is refused here, not there."""
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        packed(lambda: None)
