"""A reader that was sent away opens its file again, in the state that it had."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.official import BFLOAT16, save

from gradclip_cli.errors import InputError
from gradclip_cli.formats import FORMATS
from gradclip_cli.formats.base import Headers, Options
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.storage.fingerprint import Fingerprint

ARRAYS = {"w": np.array([[1, 2], [3, 4]], np.float32), "b": np.array([5], np.float32)}


@pytest.fixture(autouse=True)
def _one_call() -> Iterator[None]:
    """Let the child that reads HDF5 end with the test."""
    with one_call():
        yield


def sent(path: Path, options: Options) -> bytes:
    """Open a file and pickle its reader."""
    with opened(str(path), options) as (format, reader):
        portable = PortableReader.of(format, reader, options)
        assert portable.reader is reader
        return pickle.dumps(portable)


@pytest.mark.parametrize("format", FORMATS)
def test_a_copy_reads_the_same(format: str, tmp_path: Path) -> None:
    """The copy has the same tensors and elements, and closes its file when nobody has it any more."""
    path = save(tmp_path, format, ARRAYS)
    copy = pickle.loads(sent(path, Options(headers=Headers(keep=True))))
    assert copy.path == str(path)
    found = {}
    for spec in copy.reader.tensors:
        out = np.empty(spec.nbytes, np.uint8)
        copy.reader.read(spec, 0, out)
        found[spec.name] = out.view(np.float32).reshape(spec.shape).tolist()
    assert found == {name: array.tolist() for name, array in ARRAYS.items()}
    fd = copy.reader.file.fd
    assert os.fstat(fd).st_ino == path.stat().st_ino
    del copy
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_a_user_says_about_reading_goes_along(tmp_path: Path) -> None:
    """Two bytes without a type are read as the type that was named."""
    path = tmp_path / "g.npz"
    np.savez(path, w=np.array([1, 2], BFLOAT16))
    copy = pickle.loads(sent(path, Options(void_dtype="bfloat16")))
    assert [spec.dtype.name for spec in copy.reader.tensors] == ["bfloat16"]


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    """The copy reads the state of the file that its original had, or nothing; and it can be asked again."""
    path = save(tmp_path, "safetensors", ARRAYS)
    copy = pickle.loads(sent(path, Options()))
    save(tmp_path, "safetensors", {**ARRAYS, "more": np.array([1], np.float32)})
    for _ in range(2):
        with pytest.raises(InputError, match="changed while it was read"):
            _ = copy.reader


def test_standard_input_cannot_be_sent(tmp_path: Path) -> None:
    """What came through a pipe is in this process only."""
    portable = PortableReader(("-", Options(), "npz", Fingerprint(0, 0, 0, 0)))
    with pytest.raises(InputError, match="cannot be read by another process; save it to a file"):
        pickle.dumps(portable)
