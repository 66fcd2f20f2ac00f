"""Files are read by position, and what is wrong with them is an error of ours."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.storage.random_access import InputFile, copy_at, extend, reopened, write_at

DATA = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of known bytes."""
    file = tmp_path / "data"
    file.write_bytes(DATA)
    return file


def test_bytes_are_read_at_positions(path: Path) -> None:
    """Any range can be read, and past the end there is less."""
    with InputFile(str(path)) as file:
        assert file.size == len(DATA)
        assert (file.read(300, 10), file.read(len(DATA) - 3, 10), file.read(10**6, 1)) == (
            DATA[300:310],
            DATA[-3:],
            b"",
        )


def test_an_array_is_filled(path: Path) -> None:
    """An array is filled from a position on."""
    out = np.empty(1000, np.uint8)
    with InputFile(str(path)) as file:
        file.read_into(77, out)
    assert out.tobytes() == DATA[77:1077]


def test_a_file_that_ends_early(path: Path) -> None:
    """An array that reaches past the end is an error that says so, not a short array."""
    with InputFile(str(path)) as file, pytest.raises(InputError, match="ends early") as caught:
        file.read_into(len(DATA) - 10, np.empty(11, np.uint8))
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("kind", "reason"), [("missing", "no such file"), ("folder", "is a directory"), ("fifo", "not a regular file")]
)
def test_what_is_no_regular_file(tmp_path: Path, kind: str, reason: str) -> None:
    """A missing file, a directory and a FIFO are refused at once, without waiting."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match=reason):
        InputFile(str(tmp_path / kind))


def test_a_name_with_a_nul() -> None:
    """A name that no file can have is an error of the input."""
    with pytest.raises(InputError, match="null"):
        InputFile("a\0b")


def test_an_unchanged_file_is_fine(path: Path) -> None:
    """A file that nobody wrote to passes, however often it is asked."""
    with InputFile(str(path)) as file:
        file.check_unchanged()
        assert file.fingerprint[2] == len(DATA)


@pytest.mark.parametrize("change", ["append", "truncate", "touch"])
def test_a_changed_file_is_noticed(path: Path, change: str) -> None:
    """A file that was written to since it was opened is refused."""
    with InputFile(str(path)) as file:
        if change == "append":
            path.write_bytes(DATA + b"x")
        elif change == "truncate":
            os.truncate(path, 5)
        else:
            os.utime(path, ns=(0, 0))
        with pytest.raises(InputError, match="changed while it was read"):
            file.check_unchanged()


def test_a_change_within_one_tick_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes within a tick of the clock have one time: a file is read when its last change is older than that."""
    monkeypatch.setattr(InputFile, "tick_ns", 50_000_000)
    os.utime(path)
    with InputFile(str(path)):
        assert time.time_ns() - path.stat().st_mtime_ns >= 50_000_000


def test_a_file_that_is_always_being_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting has an end."""
    monkeypatch.setattr(InputFile, "tick_ns", 50_000_000)
    monkeypatch.setattr(time, "sleep", lambda seconds: os.utime(path))
    with pytest.raises(InputError, match="is being written to; wait until it is complete and run again"):
        InputFile(str(path))


def test_the_descriptor_is_closed(path: Path) -> None:
    """Leaving the context closes the file."""
    with InputFile(str(path)) as file:
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file.fd)


def test_writing_at_a_position(tmp_path: Path) -> None:
    """Bytes go where they are told, in any order."""
    fd = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    write_at(fd, 5, b"world", "out")
    write_at(fd, 0, memoryview(b"hello"), "out")
    os.close(fd)
    assert (tmp_path / "out").read_bytes() == b"helloworld"


def test_what_cannot_be_written(path: Path) -> None:
    """A failing write is an error of the output, with the reason of the system."""
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(OutputError, match="out: bad file descriptor"):
        write_at(fd, 0, b"x", "out")
    os.close(fd)


@pytest.mark.parametrize(("offset", "to", "count"), [(0, 0, len(DATA)), (100, 7, 5000), (3, 9, 0)])
def test_bytes_are_copied_between_files(path: Path, tmp_path: Path, offset: int, to: int, count: int) -> None:
    """A range of one file arrives at its place in another."""
    fd = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    with InputFile(str(path)) as source:
        copy_at(source, offset, fd, to, count, "out")
    os.close(fd)
    assert (tmp_path / "out").read_bytes()[to:] == DATA[offset : offset + count]


def test_copying_past_the_end_is_an_error(path: Path, tmp_path: Path) -> None:
    """A source that is shorter than what is to be copied is refused."""
    fd = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    with InputFile(str(path)) as source, pytest.raises(InputError, match="ends early"):
        copy_at(source, 10, fd, 0, len(DATA), "out")
    os.close(fd)


def test_a_renamed_file_is_opened_again(path: Path) -> None:
    """The path of a descriptor leads to its file, whatever its name is now."""
    with InputFile(str(path)) as file:
        path.rename(path.with_name("other"))
        assert Path(reopened(file.fd)).read_bytes() == DATA


def test_a_file_that_cannot_become_so_long(path: Path) -> None:
    """A limit on the size of files is an error of the output, which it names."""
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(OutputError, match=r"^out: "):
        extend(fd, 1 << 20, "out")
    os.close(fd)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EIO])
def test_what_the_kernel_cannot_copy_is_read_and_written(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel says that it cannot copy between two files, the bytes arrive all the same."""
    monkeypatch.setattr(os, "copy_file_range", _failing(code), raising=False)
    assert _copied(tmp_path) == b"cdefgh"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_at_once(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output without room is an error of the output, and nothing is tried a second time."""
    monkeypatch.setattr(os, "copy_file_range", _failing(code), raising=False)
    monkeypatch.setattr(os, "pwrite", lambda *_: pytest.fail("written after all"))
    with pytest.raises(OutputError, match=os.strerror(code).lower()):
        _copied(tmp_path)


def _failing(code: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


def _copied(folder: Path) -> bytes:
    """Copy six bytes of a file to the start of another; return what is there then."""
    (folder / "in").write_bytes(b"abcdefghij")
    fd = os.open(folder / "out", os.O_RDWR | os.O_CREAT)
    try:
        with InputFile(str(folder / "in")) as source:
            copy_at(source, 2, fd, 0, 6, "out")
        return os.pread(fd, 100, 0)
    finally:
        os.close(fd)
