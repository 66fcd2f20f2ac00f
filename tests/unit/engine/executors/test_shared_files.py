"""Outputs are opened by path where a value arrives, and only if that leads to the same file."""

import os
import pickle
from pathlib import Path

import pytest

from gradclip_cli.engine.executors.shared_files import outputs_of_a_task, shipped
from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.fingerprint import Fingerprint


def test_an_output_is_the_same_file(tmp_path: Path) -> None:
    """What two values write to arrives as one descriptor, for writing only, which is closed in the end."""
    with (tmp_path / "out").open("wb") as file:
        sent = shipped([Descriptor(file.fileno()), Descriptor(file.fileno())])
        sent.hand_over()
        with outputs_of_a_task():
            one, other = pickle.loads(sent.data)
            assert one.fd == other.fd != file.fileno()
            os.pwrite(one.fd, b"abc", 0)
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.pread(one.fd, 1, 0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(one.fd)
    assert (tmp_path / "out").read_bytes() == b"abc"


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A path that leads to another file, or to none, is an error that names the folder."""
    with (tmp_path / "out").open("wb") as file:
        sent = shipped(Descriptor(file.fileno()))
        (tmp_path / "out").rename(tmp_path / "away")
        with outputs_of_a_task(), pytest.raises(OutputError, match="no such file") as error:
            pickle.loads(sent.data)
        assert error.value.path == str(tmp_path)
        (tmp_path / "out").touch()
        with outputs_of_a_task(), pytest.raises(OutputError, match="is another folder for a worker"):
            pickle.loads(sent.data)


def test_a_remote_reader_is_opened_again() -> None:
    """A reader of a URL arrives as one that connects by itself; other processes of this machine do not open it."""
    how = "s3://b/g.npz", Options(), "npz", Fingerprint("s3://b", "s3://b/g.npz", 9, "tag")
    reader = PortableReader(how)
    assert pickle.loads(shipped([reader]).data)[0].how == how
    with pytest.raises(InputError, match="is read by one process"):
        pickle.dumps(reader)
    with pytest.raises(InputError, match="save it to a file"):
        shipped(PortableReader(("-", *how[1:])))


def test_what_has_no_path_stays(tmp_path: Path) -> None:
    """A file without a name cannot be written by another machine."""
    with (tmp_path / "out").open("wb") as file:
        os.unlink(file.name)
        with pytest.raises(TypeError, match="without a name"):
            shipped(Descriptor(file.fileno()))
