"""The state of a file tells whether it was changed, without opening it."""

import os
import time
from pathlib import Path

import pytest
from support.memory_store import memory_store

from gradclip_cli.storage.fingerprint import Fingerprint, fingerprint_of
from gradclip_cli.storage.stamps import stamp_of


def test_a_file_has_a_state(tmp_path: Path) -> None:
    """It is the same until the file is written to, even if its time is set back; it does not depend on the device."""
    path = tmp_path / "g.npz"
    path.write_bytes(b"12")
    first = stamp_of(str(path))
    assert first is not None
    assert (first.fingerprint, first.is_old) == (fingerprint_of(str(path)), False)
    os.utime(path, ns=(0, path.stat().st_mtime_ns))
    path.write_bytes(b"34")
    os.utime(path, ns=(0, int(first.fingerprint.version)))
    second = stamp_of(str(path))
    assert second is not None
    assert (second.fingerprint, second.state == first.state) == (first.fingerprint, False)
    assert first._replace(fingerprint=first.fingerprint._replace(device=99)).state == first.state


def test_a_file_is_old_after_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may count time in steps of two seconds."""
    (tmp_path / "g.npz").write_bytes(b"12")
    changed = (tmp_path / "g.npz").stat().st_ctime_ns
    for age, old in ((2 * 10**9 - 1, False), (2 * 10**9, True)):
        monkeypatch.setattr(time, "time_ns", lambda age=age: changed + age)
        found = stamp_of(str(tmp_path / "g.npz"))
        assert found is not None
        assert found.is_old is old


def test_what_has_no_state(tmp_path: Path) -> None:
    """Standard input, folders, pipes, and what is not there, cannot be told to be the same again."""
    os.mkfifo(tmp_path / "pipe")
    for path in ("-", "/dev/fd/0", tmp_path, tmp_path / "pipe", tmp_path / "nothing", "no\0name", "nowhere://b/x"):
        assert stamp_of(str(path)) is None


@pytest.mark.parametrize(("version", "known"), [('"abc"', True), ('W/"abc"', False), ("2026-01-02 03:04:05", False)])
def test_an_object_is_told_by_its_tag(version: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object is whole by nature, and its ETag changes with its bytes, unless it is a weak one or there is none."""
    with memory_store() as store:
        monkeypatch.setattr(
            store, "fingerprint", lambda location, recent: Fingerprint("memory://b", location, 3, version)
        )
        found = stamp_of("memory://b/g.npz")
    assert (found is not None) is known
    assert found is None or (found.is_old and found.state == ("memory://b/g.npz", 3, version, 0))
