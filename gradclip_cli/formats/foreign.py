"""Tell what a file or folder is that is no dump, and how to make a dump of it: by content first, then by suffix.

Nothing is loaded or unpacked: the first bytes and the names decide.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from gradclip_cli.storage import locations
from gradclip_cli.text import shortlist

HEAD = 512
"""The number of bytes at the start of a file that tell what it is."""

_MOST_FILES = 100
"""The most files of a folder that are looked at."""

_INSIDE = (".safetensors", ".npz", ".h5", ".hdf5", ".hdf", ".he5")
"""The endings of dumps in a zip archive; the registry of formats is above this module."""

_SAVE = "safetensors.torch.save_file"
_TO_SAFETENSORS = (
    "\"import torch, safetensors.torch as s; s.save_file(torch.load('FILE', weights_only=True), 'g.safetensors')\""
)
_FLATTEN = "safetensors.flax.save_file(flax.traverse_util.flatten_dict(tree, sep='/'), 'g.safetensors')"

_PICKLE = (
    f"is a pickle, as PyTorch writes them; a pickle is never loaded: save the gradients with {_SAVE} instead, "
    f"or run python -c {_TO_SAFETENSORS}"
)
_DCP = (
    "is a distributed checkpoint of PyTorch; "
    "python -m torch.distributed.checkpoint.format_utils dcp_to_torch DIR g.pt makes one file of it, "
    f"which torch.load('g.pt', weights_only=True) and {_SAVE} turn into a dump"
)
_NPY = (
    "is one array of numpy without a name; "
    "python -c \"import numpy as n; n.savez('g.npz', g=n.load('FILE'))\" makes a dump of it"
)
_MATLAB = "is a MATLAB file older than version 7.3; save it again in MATLAB with '-v7.3', which is HDF5"
_KERAS = "is a Keras archive; unzip -p FILE model.weights.h5 > g.h5 takes the HDF5 file out of it"
_ONNX = (
    "is an ONNX model; python -c \"import onnx, numpy as n; n.savez('g.npz', "
    "**{t.name: onnx.numpy_helper.to_array(t) for t in onnx.load('FILE').graph.initializer})\" takes its arrays out"
)
_GGUF = (
    "is a GGUF file; python -c \"import gguf, numpy as n; n.savez('g.npz', "
    "**{t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader('FILE').tensors})\" takes its arrays out"
)
_EVENTS = "is a log of TensorBoard, which holds numbers about a run and no gradients; save the gradients themselves"
_MSGPACK = (
    "is MessagePack, as Flax writes it; tree = flax.serialization.msgpack_restore(open('FILE', 'rb').read()) "
    f"and {_FLATTEN} make a dump of it"
)
_ORBAX = (
    "is an Orbax checkpoint; tree = orbax.checkpoint.PyTreeCheckpointer().restore('DIR') "
    f"and {_FLATTEN} make a dump of it"
)
_ZARR = (
    "is a Zarr store; python -c \"import zarr, numpy as n; n.savez('g.npz', "
    "**{k: a[:] for k, a in zarr.open_group('DIR', mode='r').arrays()})\" makes a dump of its arrays"
)
_TENSORFLOW = (
    'is a checkpoint of TensorFlow; python -c "import tensorflow as t, numpy as n; '
    "r = t.train.load_checkpoint('DIR'); n.savez('g.npz', **{k: r.get_tensor(k) for k in r.get_variable_to_shape_map()})\" "
    "makes a dump of it"
)
_HTML = (
    "is an HTML page, such as a server's login or error page; download the file itself, with a token if it needs one"
)
_XML = "is an XML text, such as a server's error message; download the file again"
_JSON = (
    "is a JSON text; give the files of numbers, or the path of an index, whose shards lie beside it "
    "(its name ends in .safetensors.index.json or .weights.json)"
)
_POINTER = "is a Git LFS pointer; fetch the file itself with git lfs pull"
_NETCDF = "is a netCDF file of the classic format; nccopy -k nc4 FILE g.h5 makes HDF5 of it"


def _packed(packer: str, command: str) -> str:
    return f"is packed by {packer}; unpack it: {command} -dc FILE | gradclip stats -"


_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", _packed("gzip", "gzip")),
    (b"BZh", _packed("bzip2", "bzip2")),
    (b"\xfd7zXZ\0", _packed("xz", "xz")),
    (b"\x28\xb5\x2f\xfd", _packed("zstd", "zstd")),
    (b"\x04\x22\x4d\x18", _packed("lz4", "lz4")),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it with 7z x FILE, and give what is in it"),
    (b"\x93NUMPY", _NPY),
    (b"MATLAB 5.0 MAT-file", _MATLAB),
    (b"GGUF", _GGUF),
    (b"CDF\1", _NETCDF),
    (b"CDF\2", _NETCDF),
    (b"CDF\5", _NETCDF),
    (b"version https://git-lfs", _POINTER),
)
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", _HTML),
    (b"<html", _HTML),
    (b"<?xml", _XML),
    (b"<error", _XML),
    (b"{", _JSON),
    (b"[", _JSON),
)
_SUFFIXES: dict[str, str] = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle"), _PICKLE),
    ".distcp": _DCP,
    ".npy": _NPY,
    ".mat": _MATLAB,
    ".keras": _KERAS,
    ".onnx": _ONNX,
    ".gguf": _GGUF,
    ".msgpack": _MSGPACK,
}
_FOLDERS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: name.endswith(".distcp"), _DCP),
    (lambda name: name in ("_CHECKPOINT_METADATA", "manifest.ocdbt"), _ORBAX),
    (lambda name: name in (".zarray", ".zgroup", "zarr.json"), _ZARR),
    (lambda name: name == "saved_model.pb" or name.endswith(".data-00000-of-00001"), _TENSORFLOW),
)
"""What marks a folder, by the name of a file in it."""


def advice(path: str) -> str | None:
    """Say what a file or folder is that is no dump, and what to do, as in `is packed by gzip; …`; None if that is not known."""
    with suppress(OSError):
        if locations.is_folder(path):
            return _about_folder(path)
        if locations.is_file(path):
            return about(next(locations.blocks(path, HEAD), b""), path)
    return None


def about(head: bytes, path: str) -> str | None:
    """Say what a file is by its first bytes, or else by the suffix of its name; None if that is not known."""
    if path.lower().endswith(".distcp"):  # pieces of zip archives
        return _DCP
    return _by_content(head, path.lower()) or _by_name(path.lower())


def about_zip(names: Sequence[str]) -> str:
    """Say what a zip archive without arrays is, by the names of its members."""
    if any(os.path.basename(name) == "data.pkl" for name in names):
        return _PICKLE
    if "model.weights.h5" in names:
        return _KERAS
    if inside := [name for name in names if name.lower().endswith(_INSIDE)]:
        return f"is a zip archive of files; unpack it with unzip FILE, and give what is in it: {shortlist(inside, 4)}"
    return "is a zip archive without arrays; unpack it, and give the dumps in it"


def _by_content(head: bytes, name: str) -> str | None:
    if head[257:262] == b"ustar" or (head[:2] == b"\x1f\x8b" and name.endswith((".tgz", ".tar.gz"))):
        return "is a tar archive; unpack it with tar -xf FILE, and give what is in it"
    for start, what in _STARTS:
        if head.startswith(start):
            return what
    if _is_pickle(head):
        return _PICKLE
    if b"brain.Event:" in head[:64]:
        return _EVENTS
    if _is_message_pack(head):
        return _MSGPACK
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((what for start, what in _TEXTS if text.startswith(start)), None)


def _by_name(name: str) -> str | None:
    if ".tfevents." in os.path.basename(name):
        return _EVENTS
    return _SUFFIXES.get(os.path.splitext(name)[1])


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _is_message_pack(head: bytes) -> bool:
    """Recognise a table of at most 15 entries whose first key is a short text."""
    if len(head) < 3 or not 0x81 <= head[0] <= 0x8F or not 0xA1 <= head[1] <= 0xBF:
        return False
    key = head[2 : 2 + (head[1] & 0x1F)]
    return key.isascii() and key.decode("ascii").isprintable()


def _about_folder(folder: str) -> str | None:
    """Say what a folder is by the names in it, or else what the first file in it is that is known and no dump."""
    names = sorted(locations.names(folder))
    for marks, kind in _FOLDERS:
        if any(map(marks, names)):
            return kind
    for name in names[:_MOST_FILES]:
        path = os.path.join(folder, name)
        if name[0] == "." or name.lower().endswith(".json") or locations.is_folder(path):
            continue
        if what := advice(path):
            return f"holds no dump: {shortlist([name])} {what}"
    return None
