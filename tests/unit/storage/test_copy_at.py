"""Copies between files: inside the kernel where it can, by reading and writing where it cannot."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gradclip_cli.errors import OutputError
from gradclip_cli.storage.random_access import InputFile, copy_at


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
