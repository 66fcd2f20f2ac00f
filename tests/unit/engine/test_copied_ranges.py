"""Ranges are copied in parts, and only from a file that has not changed."""

from pathlib import Path

import pytest

from gradclip_cli.engine import copied_ranges
from gradclip_cli.engine.copied_ranges import CopyTask, in_parts
from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.copy_ranges import Copy
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.fingerprint import fingerprint_of


def test_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has at most so many bytes; together they are the ranges."""
    monkeypatch.setattr(copied_ranges, "_COPIED", 4)
    assert in_parts([Copy(0, 10, 9), Copy(20, 30, 4)]) == [
        Copy(0, 10, 4), Copy(4, 14, 4), Copy(8, 18, 1), Copy(20, 30, 4)
    ]  # fmt: skip


def test_a_file_that_changed(tmp_path: Path) -> None:
    """Bytes and progress are those of the range; a file that has changed since is refused."""
    path, told = tmp_path / "in", dict[str, int]()
    path.write_bytes(b"0123456789")
    source = PortableReader((str(path), Options(), "npz", fingerprint_of(str(path))))
    with (tmp_path / "out").open("wb") as file:
        task = CopyTask(source, Descriptor(file.fileno()), "out", lambda nbytes, name: told.update({name: nbytes}))
        task.copy(Copy(2, 1, 3))
        assert (tmp_path / "out").read_bytes() == b"\0" + b"234"
        assert told == {str(path): 3}
        path.write_bytes(b"changed")
        with pytest.raises(InputError, match="changed while it was read"):
            task.copy(Copy(2, 1, 3))
