"""How archives and arrays are made, rightly or by hand."""

import io
import struct
import zipfile
from typing import Any

import numpy as np

from hostile.cases import Arrays, Collection

FILES = Collection(".npz")
W = np.array([3, -4], np.float32)
ONE: Arrays = {"w": W}
METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    """A .npy array as numpy writes it."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), version, allow_pickle=True)
    return out.getvalue()


def by_hand(
    text: str, data: bytes = W.tobytes(), version: tuple[int, int] = (1, 0), length: int | None = None
) -> bytes:
    """A .npy array with a header by hand."""
    raw = text.encode("utf-8" if version == (3, 0) else "latin-1")
    size = struct.pack("<H" if version == (1, 0) else "<I", len(raw) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + raw + data


def fields(descr: str = "'<f4'", order: str = "False", shape: str = "(2,)") -> str:
    """The text of a header."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """Pack members as zipfile does."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, method)
        file.comment = comment
    return out.getvalue()


def patched(data: bytes, signature: bytes, offset: int, new: bytes, nth: int = 0) -> bytes:
    """Replace bytes at an offset from the nth place where a signature stands."""
    at = -1
    for _ in range(nth + 1):
        at = data.index(signature, at + 1)
    at += offset
    return data[:at] + new + data[at + len(new) :]


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
PLAIN = archive({"w.npy": npy(W)})
PACKED = archive({"w.npy": npy(np.repeat(W, 500))}, zipfile.ZIP_DEFLATED)
TWO = archive({"a.npy": npy(W), "b.npy": npy(W)})
INTEGERS = archive({"w.npy": npy(W), "n.npy": npy(np.arange(900))})


def both(data: bytes, local: int, central: int, new: bytes) -> bytes:
    """Change a field of the local header and of the directory's entry alike."""
    return patched(patched(data, LOCAL, local, new), CENTRAL, central, new)
