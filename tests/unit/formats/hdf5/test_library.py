"""HDF5 files are opened by their descriptor."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from gradclip_cli.formats.hdf5.library import create_file, open_file
from gradclip_cli.storage import streams


def test_a_file_without_a_name() -> None:
    """A file that has no name can be made, changed and read, with the bytes that a named one would have."""
    fd = streams.temporary()
    with create_file(fd) as file:
        file.create_dataset("w", data=np.arange(1000.0).reshape(10, 100), chunks=(3, 30), compression="gzip")
    with h5py.File(open_file(fd, "r+")) as file:
        file["w"][5] = 7
    with h5py.File(open_file(fd, "r")) as file:
        assert file["w"][4:6].sum() == np.arange(400, 500).sum() + 700
    os.close(fd)


def test_a_name_does_not_change_the_bytes(tmp_path: Path) -> None:
    """The same calls make the same file, with a name and without."""
    found = []
    for fd in (streams.temporary(), os.open(tmp_path / "g.h5", os.O_RDWR | os.O_CREAT)):
        with create_file(fd) as file:
            for k in range(50):
                file.create_dataset(f"layer{k}/w", data=np.arange(k), track_times=False)
        found.append(os.pread(fd, 1 << 20, 0))
        os.close(fd)
    assert found[0] == found[1]
    with h5py.File(tmp_path / "g.h5") as file:
        assert len(file) == 50


def test_a_damaged_file_without_a_name() -> None:
    """What cannot be opened is said to be cut short or damaged."""
    fd = streams.temporary()
    os.write(fd, b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(OSError, match="cut short or damaged"):
        open_file(fd, "r")
    os.close(fd)
