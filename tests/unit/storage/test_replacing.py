"""A complete file takes its place: by its name, with its mode, for good."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gradclip_cli.errors import OutputError
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.replacing import claim_name, sync_folder, take_over_mode


def failing(code: int) -> object:
    """Make a system call that fails."""

    def call(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return call


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A complete file under a temporary name."""
    (tmp_path / "temporary").write_bytes(b"new")
    return tmp_path / "temporary"


def test_a_name_that_is_free_is_taken(made: Path) -> None:
    """A file gets a name that no other has."""
    claim_name(str(made), str(made.with_name("out")))
    assert made.with_name("out").read_bytes() == b"new"


def test_a_name_that_came_meanwhile_is_left(made: Path) -> None:
    """A file that came by the name meanwhile stays, and the way out is named."""
    made.with_name("out").write_bytes(b"another's")
    with pytest.raises(OSError, match="--overwrite"):
        claim_name(str(made), str(made.with_name("out")))
    assert made.with_name("out").read_bytes() == b"another's"


def test_without_links_a_file_is_renamed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system has no links, the file is renamed."""
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    claim_name(str(made), str(made.with_name("out")))
    assert os.listdir(made.parent) == ["out"]


def test_other_errors_of_links_are_errors(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is told."""
    monkeypatch.setattr(os, "link", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        claim_name(str(made), str(made.with_name("out")))


def test_bits_of_another_owner_are_dropped(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not give the file to its old owner does not set that owner's identity for those who run it."""
    old = made.with_name("old")
    old.touch()
    old.chmod(0o6755)
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))
    with made.open("r+b") as file:
        take_over_mode(file.fileno(), str(old))
    assert stat.S_IMODE(made.stat().st_mode) == 0o755


@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL])
def test_the_group_is_kept_without_the_owner(code: int, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not give the file away, as to an owner whom a container does not know, keeps its group where that is allowed."""
    given = []

    def fchown(fd: int, owner: int, group: int) -> None:
        if owner != -1:
            raise OSError(code, os.strerror(code))
        given.append(group)

    monkeypatch.setattr(os, "fchown", fchown)
    with made.open("r+b") as file:
        take_over_mode(file.fileno(), str(made))
    assert given == [made.stat().st_gid]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_directories_that_cannot_be_synced(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no sync of directories is no error."""
    monkeypatch.setattr(os, "fsync", failing(code))
    sync_folder(str(tmp_path))


def test_a_directory_that_fails_to_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new name may not be on the disk, that is an error which says that the output is there."""
    with Outputs(overwrite=False) as outputs:
        outputs.complete(outputs.stage(str(tmp_path / "out")))
        monkeypatch.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(OutputError, match="in place, but may be lost"):
            outputs.commit()
    assert os.listdir(tmp_path) == ["out"]
