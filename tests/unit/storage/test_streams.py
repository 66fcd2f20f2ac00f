"""Standard input, standard output, devices and FIFOs as places of a dump."""

import os
import pty
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradclip_cli.errors import InputError, OutputError, UsageError
from gradclip_cli.storage import streams

DATA = bytes(range(256)) * 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe on which nobody waits."""
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("path", "number", "expected"),
    [
        ("-", 0, "-"),
        ("/dev/stdin", 0, "-"),
        ("/dev/fd/1", 1, "-"),
        ("/proc/self/fd/0", 0, "-"),
        ("/dev/stdin", 1, "/dev/stdin"),
        ("/dev/fd/10", 1, "/dev/fd/10"),
        ("./-", 0, "./-"),
        ("run/-", 1, "run/-"),
    ],
)
def test_other_names_of_standard_streams(path: str, number: int, expected: str) -> None:
    """A system's own names for standard input and output are `-`, each on its own side only."""
    assert streams.stream_name(path, number) == expected


def test_what_is_a_stream(tmp_path: Path) -> None:
    """`-`, devices and FIFOs are streams; files, folders and what is not there are not."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    found = {name: streams.is_stream(str(tmp_path / name)) for name in ("fifo", "file", "missing", ".", "a\0b")}
    assert found == {"fifo": True, "file": False, "missing": False, ".": False, "a\0b": False}
    assert streams.is_stream("-")
    assert streams.is_stream(os.devnull)


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard stream that a process was begun without is an error of the input, or of the output."""
    monkeypatch.setattr("sys.__stdin__", None)
    monkeypatch.setattr("sys.__stdout__", None)
    with pytest.raises(InputError, match="standard input is closed"):
        streams.check_input()
    with pytest.raises(OutputError, match="standard output: is closed"):
        streams.check_output("-")


def test_a_terminal_takes_no_dump() -> None:
    """A terminal is refused under its own name too, and other devices are not."""
    master, slave = pty.openpty()
    with pytest.raises(UsageError, match="is a terminal"):
        streams.check_output(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    streams.check_output(os.devnull)


def test_a_temporary_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the directory for temporary files, is private, and nobody finds it there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fd = streams.temporary()
    found, inherited = os.fstat(fd), os.get_inheritable(fd)
    os.close(fd)
    assert os.listdir(tmp_path) == []
    assert found.st_dev == tmp_path.stat().st_dev
    assert (stat.S_IMODE(found.st_mode), stat.S_ISREG(found.st_mode), inherited) == (0o600, True, False)


def test_a_stream_is_read_and_written_though_nobody_waits_on_it(pipe: tuple[int, int]) -> None:
    """Descriptors that do not wait, as some programs hand them on, are waited for."""
    reader, writer = pipe
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    thread = threading.Thread(target=streams.write, args=(writer, DATA))  # sixteen times what a pipe holds
    thread.start()
    found = b""
    while len(found) < len(DATA):
        found += streams.read(reader)
    thread.join()
    assert found == DATA


def test_a_file_is_poured_into_a_fifo(tmp_path: Path) -> None:
    """All of a file goes out, wherever its descriptor stands."""
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    fd = streams.temporary()
    os.write(fd, DATA)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    streams.copy_to_stream(fd, str(fifo))
    reader.join()
    os.close(fd)
    assert got == [DATA]


def test_a_message_says_where_a_disk_is_full(tmp_path: Path) -> None:
    """What goes into a stream lies in TMPDIR until it is complete, and messages name that for streams only."""
    assert "TMPDIR" in streams.place("-")
    assert streams.place(str(tmp_path / "out.npz")) == ""
