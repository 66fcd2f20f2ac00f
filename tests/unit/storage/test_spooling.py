"""Standard input is kept so that it can be read by position."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.storage import streams
from gradclip_cli.storage.spooling import Spool

DATA = os.urandom(3 * streams.PIECE + 17)


@pytest.fixture
def source() -> Iterator[int]:
    """The reading end of a pipe through which DATA comes."""
    reader, writer = os.pipe()

    def send() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(DATA)

    thread = threading.Thread(target=send)
    thread.start()
    yield reader
    while os.read(reader, streams.PIECE):
        pass
    thread.join()
    os.close(reader)


def size(spool: Spool) -> int:
    """How much has been taken in."""
    return os.fstat(spool.fd).st_size


def test_a_pipe_is_taken_in_once_it_is_wanted(source: int) -> None:
    """At first only a beginning is read; the rest follows when it is asked for, once, and can be read at any position."""
    spool = Spool(source)
    assert streams.PIECE <= size(spool) < 2 * streams.PIECE
    assert os.pread(spool.fd, 100, 1000) == DATA[1000:1100]
    spool.complete()
    spool.complete()
    assert size(spool) == len(DATA)
    assert os.pread(spool.fd, len(DATA), 0) == DATA
    os.close(spool.fd)


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    """A regular file at its beginning is not copied."""
    (tmp_path / "file").write_bytes(DATA)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    spool = Spool(fd)
    assert os.path.samestat(os.fstat(spool.fd), os.fstat(fd))
    spool.complete()
    assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    os.close(spool.fd)
    os.close(fd)


def test_a_file_that_has_been_read_from(tmp_path: Path) -> None:
    """Of a file that stands elsewhere, what follows from there is taken."""
    (tmp_path / "file").write_bytes(DATA)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    os.lseek(fd, 5, os.SEEK_SET)
    spool = Spool(fd)
    spool.complete()
    assert os.pread(spool.fd, len(DATA), 0) == DATA[5:]
    os.close(spool.fd)
    os.close(fd)


def test_a_stream_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory, or a descriptor that is for writing only, is an error of the input with the system's reason."""
    for path, flags, reason in ((tmp_path, os.O_RDONLY, "is a directory"), (os.devnull, os.O_WRONLY, "bad file desc")):
        fd = os.open(path, flags)
        with pytest.raises(InputError, match=f"^-: {reason}"):
            Spool(fd)
        os.close(fd)


def test_no_room_for_what_a_pipe_brings(source: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error of the input that says where more room may be found."""
    monkeypatch.setattr(streams, "temporary", lambda: os.open("/dev/full", os.O_RDWR))
    with pytest.raises(InputError, match=r"^-: cannot be kept.*no space left.*TMPDIR"):
        Spool(source)
