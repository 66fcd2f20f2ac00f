"""What is no dump is named by its content, or else by its name, with a way to a dump in one line."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.tensors import read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats import suffixes
from gradclip_cli.formats.foreign import HEAD, about, about_zip, advice


def npy() -> bytes:
    """Return an array as numpy saves it alone."""
    out = io.BytesIO()
    np.save(out, np.ones(3))
    return out.getvalue()


def tar() -> bytes:
    """Return a tar archive of one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("g.npz"))
    return out.getvalue()


CONTENTS: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(b"x"), "packed by gzip; unpack it: gzip -dc FILE | gradclip stats -"),
    "bzip2": (bz2.compress(b"x"), "bzip2 -dc FILE | gradclip stats -"),
    "xz": (lzma.compress(b"x"), "xz -dc FILE | gradclip stats -"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "zstd -dc FILE | gradclip stats -"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40", "lz4 -dc FILE | gradclip stats -"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z x FILE"),
    "tar": (tar(), "tar -xf FILE"),
    "an HTML page": (b"<!DOCTYPE html>\n<html><head>", "HTML page"),
    "an HTML page in capitals, behind a line": (b"\xef\xbb\xbf\n <HTML>", "HTML page"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "error message"),
    "JSON": (b'{"error": "gated"}', "JSON text"),
    "numpy": (npy(), "n.savez('g.npz', g=n.load('FILE'))"),
    "pickle 2": (pickle.dumps({"w": [1]}, 2), "a pickle is never loaded"),
    "pickle 4": (pickle.dumps({"w": [1]}, 4), "a pickle is never loaded"),
    "pickle 5": (pickle.dumps({"w": [1]}, 5), "a pickle is never loaded"),
    "MATLAB 5": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "-v7.3"),
    "GGUF": (b"GGUF\x03\x00\x00\x00", "gguf.GGUFReader('FILE')"),
    "netCDF": (b"CDF\x02\x00\x00\x00\x00", "nccopy -k nc4 FILE g.h5"),
    "TensorBoard": (b"\x18" + bytes(11) + b"\x09" + bytes(8) + b"\x1a\x0dbrain.Event:2", "TensorBoard"),
    "MessagePack": (b"\x81\xa6params\x81\xa1w", "flax.serialization.msgpack_restore"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ""])
@pytest.mark.parametrize("case", CONTENTS)
def test_content_comes_first(case: str, suffix: str, tmp_path: Path) -> None:
    """A file is named by its first bytes, whatever it is called, and opening it says the same."""
    data, expected = CONTENTS[case]
    path = tmp_path / f"g{suffix}"
    path.write_bytes(data)
    found = advice(str(path))
    assert found is not None
    assert expected in found
    assert found == about(data[:HEAD], str(path))
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert caught.value.message == found


NAMES = {
    "g.pt": "a pickle is never loaded",
    "g.PTH": "a pickle is never loaded",
    "pytorch_model.bin": "safetensors.torch.save_file",
    "epoch=1.ckpt": "a pickle is never loaded",
    "g.pkl": "a pickle is never loaded",
    "g.npy": "array of numpy",
    "g.mat": "MATLAB",
    "g.keras": "unzip -p FILE model.weights.h5",
    "g.onnx": "onnx.load('FILE')",
    "g.gguf": "GGUF",
    "g.msgpack": "MessagePack",
    "__0_0.distcp": "torch.distributed.checkpoint.format_utils dcp_to_torch",
    "events.out.tfevents.1700000000.host.1.0": "TensorBoard",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_tells_what_content_does_not(name: str, tmp_path: Path) -> None:
    """Where the first bytes say nothing, the name does; opening the file says the same."""
    path = tmp_path / name
    path.write_bytes(b"\x00\x01 nobody knows this")
    found = advice(str(path))
    assert found is not None
    assert NAMES[name] in found
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert caught.value.message == found


def test_a_packed_tar_archive_is_no_packed_dump(tmp_path: Path) -> None:
    """`.tar.gz` and `.tgz` are archives: what is unpacked is no dump yet."""
    for name in ("g.tar.gz", "g.tgz"):
        (tmp_path / name).write_bytes(gzip.compress(tar()))
        assert "tar -xf FILE" in str(advice(str(tmp_path / name)))


def test_pieces_of_a_distributed_checkpoint_are_no_npz(tmp_path: Path) -> None:
    """A `.distcp` file begins as a zip archive does, and is named for what it is."""
    path = tmp_path / "__0_0.distcp"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    with pytest.raises(InputError, match="distributed checkpoint"):
        read_all(path)


@pytest.mark.parametrize("name", ["g.safetensors", "g.npz", "notes.txt", "no such file"])
def test_what_may_be_a_dump_or_anything_gets_no_advice(name: str, tmp_path: Path) -> None:
    """Of dumps, of other files and of what is not there nothing is said."""
    if name == "g.npz":
        np.savez(tmp_path / name, w=np.ones(2))
    elif "no such" not in name:
        (tmp_path / name).write_bytes(b"hello, world")
    assert advice(str(tmp_path / name)) is None


FOLDERS: dict[str, tuple[list[str], str]] = {
    "DCP": ([".metadata", "__0_0.distcp", "__1_0.distcp"], "format_utils dcp_to_torch DIR g.pt"),
    "Zarr": ([".zgroup", ".zattrs", "w"], "zarr.open_group('DIR', mode='r')"),
    "Zarr 3": (["zarr.json"], "zarr.open_group"),
    "Orbax": (["_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt"], "restore('DIR')"),
    "TensorFlow": (["checkpoint", "m.index", "m.data-00000-of-00001"], "load_checkpoint('DIR')"),
    "SavedModel": (["saved_model.pb"], "TensorFlow"),
    "PyTorch": (["config.json", "README.md", "pytorch_model.bin"], "holds no dump: pytorch_model.bin is a pickle"),
    "TensorBoard": (
        ["events.out.tfevents.1.host"],
        "holds no dump: events.out.tfevents.1.host is a log of TensorBoard",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_is_told_by_the_names_in_it(case: str, tmp_path: Path) -> None:
    """Checkpoints that are folders are named; else the first file that is known and no dump is."""
    names, expected = FOLDERS[case]
    for name in names:
        (tmp_path / name).write_bytes(b"\x00\x01 nobody knows this")
    assert expected in str(advice(str(tmp_path)))


@pytest.mark.parametrize("names", [[], ["README.md", "config.json"], [".hidden.pt"]])
def test_a_folder_of_nothing_known_gets_no_advice(names: list[str], tmp_path: Path) -> None:
    """Texts, settings and hidden files say nothing of a folder, nor do folders in it."""
    for name in names:
        (tmp_path / name).write_bytes(b"text")
    (tmp_path / "inner.pt").mkdir()
    assert advice(str(tmp_path)) is None


@pytest.mark.parametrize("suffix", suffixes())
def test_a_zip_archive_of_dumps_is_to_be_unpacked(suffix: str) -> None:
    """Dumps of any format in a zip archive are named."""
    assert f"give what is in it: run/g{suffix}" in about_zip(["run/", f"run/g{suffix}"])


EVERY: list[Callable[[], str | None]] = [
    *(lambda data=data: about(data, "g") for data, _ in CONTENTS.values()),
    *(lambda name=name: about(b"\x00", name) for name in NAMES),
    *(lambda names=names: about_zip(names) for names in (["a/data.pkl"], ["model.weights.h5"], ["a.npz"], ["x"])),
]


@pytest.mark.parametrize("say", EVERY)
def test_advice_is_one_short_sentence_that_says_what_to_do(say: Callable[[], str | None]) -> None:
    """Each is what a thing is, then what to do; it fits a message whole."""
    text = say()
    assert text is not None
    assert text.startswith("is ")
    assert "; " in text
    assert text.isprintable()
    assert len(text) < 420
