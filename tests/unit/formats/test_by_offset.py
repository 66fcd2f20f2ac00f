"""Other processes read and write at offsets; what they tell is checked by the process that began."""

import os
import pickle
import zipfile
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from support.elsewhere import copied
from support.tensors import gradients, raw_of

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.formats.by_offset import OffsetReader, OffsetWriter, Receipt
from gradclip_cli.numerics.dtypes import FLOAT32
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.fingerprint import fingerprint_of
from gradclip_cli.tensors import TensorSpec

W = gradients(9000)
SPECS = [TensorSpec("w", FLOAT32, (90, 100)), TensorSpec("none", FLOAT32, (0,)), TensorSpec("b", FLOAT32, (3,))]


@pytest.mark.parametrize("name", FORMATS)
def test_pieces_from_here_and_elsewhere_are_one_file(name: str, tmp_path: Path) -> None:
    """A file whose pieces are written in any order, some by a copy of its writer, is the one that is written here in order."""
    stored = {"w": raw_of(W), "none": raw_of(W[:0]), "b": raw_of(W[:3])}
    for way in ("here", "there"):
        with (tmp_path / way).open("w+b") as file:
            writer = by_name(name).convert(SPECS, file.fileno(), way)
            other = copied(writer) if way == "there" else writer
            targets = {spec.name: spec for spec in writer.tensors}
            pieces = [("w", 0, 4096), ("w", 4096, 9000), ("none", 0, 0), ("b", 0, 3)]
            for k, (tensor, start, stop) in enumerate(reversed(pieces) if way == "there" else pieces):
                part = stored[tensor][4 * start : 4 * stop]
                (other if k % 2 else writer).write(targets[tensor], start, part)
            if way == "there":
                writer.take(other.receipts() or [])
                assert other.receipts() is None
            writer.finish()
            writer.close()
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
    if name == "npz":
        assert zipfile.ZipFile(tmp_path / "there").testzip() is None


def test_receipts_are_given_where_there_are_checksums(tmp_path: Path) -> None:
    """A receipt tells the tensor, the first byte in it, the CRC-32 and the size; without checksums there is none."""
    spec = TensorSpec("w", FLOAT32, (9000,), 16)
    with (tmp_path / "out").open("w+b") as file:
        for summed in (True, False):
            writer = OffsetWriter(Descriptor(file.fileno()), "out", summed)
            writer.write(spec, 100, raw_of(W[100:300]))
            writer.write(spec, 300, raw_of(W[:0]))
            expected = [Receipt("w", 400, crc32(W[100:300].tobytes()), 800)]
            assert writer.receipts() == (expected if summed else None)
    assert (tmp_path / "out").read_bytes()[416:] == W[100:300].tobytes()


def test_an_error_of_writing_names_the_output(tmp_path: Path) -> None:
    """What another process cannot write is an error of the output, as here."""
    (tmp_path / "out").touch()
    fd = os.open(tmp_path / "out", os.O_RDONLY)
    with pytest.raises(OutputError, match=r"out\.npz: bad file descriptor") as error:
        OffsetWriter(Descriptor(fd), "out.npz", False).write(TensorSpec("w", FLOAT32, (9000,), 0), 0, raw_of(W))
    os.close(fd)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_elements_are_read_without_the_header(tmp_path: Path) -> None:
    """Elements come from their offsets, with their checksums where the format has any; a file that has changed is refused."""
    path, spec = tmp_path / "g", TensorSpec("w", FLOAT32, (9000,), 24)
    path.write_bytes(bytes(24) + W.tobytes())
    os.utime(path, (1, 1))
    with path.open("rb") as file:
        known = fingerprint_of(file.fileno())
    out = np.empty(800, np.uint8)
    for summed in (True, False):
        reader = OffsetReader(str(path), known, summed)
        reader.read(spec, 100, out)
        assert out.tobytes() == W[100:300].tobytes()
        told = reader.receipts()
        assert (told and told.of) == ({"w": {400: (crc32(out.data), 800)}} if summed else None)
        assert reader.receipts() is None
    os.utime(path, (2, 2))
    with pytest.raises(InputError, match="changed while it was read"):
        OffsetReader(str(path), known, False).read(spec, 0, out)
