"""HDF5 files that are damaged, or whose parts contradict each other."""

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hostile.cases import Arrays
from hostile.hdf5_making import FILES, GRID, W, after, at, cut, stored


def told(name: bytes, old: int, new: int) -> Callable[[Path], Arrays]:
    """A packed dataset of which a filter is told something else; what h5py makes of it counts."""

    def make(path: Path) -> Arrays:
        with h5py.File(path, "w") as file:
            file.create_dataset("w", data=np.ones(64, np.float32), chunks=(64,), shuffle=True, compression="gzip")
        data, before = path.read_bytes(), name + struct.pack("<I", old)
        assert data.count(before) == 1
        path.write_bytes(data.replace(before, name + struct.pack("<I", new)))
        with contextlib.suppress(OSError), h5py.File(path) as file:
            return {"w": file["w"][()]}
        return {}

    return make


FILES.add("shuffle-of-another-size", "accept", "What a filter was told counts.", told(b"shuffle\0", 4, 8))
FILES.add("gzip-level-99", "either", "There is no such level.", told(b"deflate\0", 4, 99))


def shared(**storage: Any) -> Callable[[Path], None]:
    """A chunk that lies where the elements of another dataset are."""

    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            one = file.create_dataset("one", data=np.arange(8, dtype=np.float32), chunks=(8,)).id
            other = file.create_dataset("other", data=np.arange(16, dtype=np.float32), **storage).id
            at = other.get_offset() or other.get_chunk_info(0).byte_offset
            old, new = struct.pack("<Q", one.get_chunk_info(0).byte_offset), struct.pack("<Q", at)
        data = path.read_bytes()
        assert data.count(old) == 1
        path.write_bytes(data.replace(old, new))

    return make


FILES.add("chunk-in-a-dataset", "reject", "To change one would change the other.", shared())
FILES.add("chunk-of-two-datasets", "reject", "To change one would change the other.", shared(chunks=(8,)))


def packed_numbers(file: h5py.File) -> Arrays:
    """Integers that are packed, and a gradient that is not."""
    file.create_dataset("n", data=np.random.default_rng(2).integers(0, 9, 500), chunks=(500,), compression="gzip")
    file["w"] = W
    return {}


PACKED = stored(GRID, chunks=(8, 8), compression="gzip")
for name, make, reason in (
    ("cut-0", after(stored(GRID), cut(0.0)), "A file without a byte is no dump."),
    ("cut-8", after(stored(GRID), cut(8)), "A signature is no file."),
    ("cut-40", after(stored(GRID), cut(40)), "Its superblock is cut short."),
    ("cut-half", after(stored(GRID), cut(0.5)), "Half of it is not there."),
    ("cut-byte", after(stored(GRID), lambda data: data.__delitem__(-1)), "Its last byte is not there."),
    ("superblock-version", after(stored(GRID), at(b"\x89HDF", 8, b"\x63")), "No such version is known."),
    ("superblock-offset-size", after(stored(GRID), at(b"\x89HDF", 13, b"\3")), "Addresses of 3 bytes are not known."),
    ("superblock-base", after(stored(GRID), at(b"\x89HDF", 24, b"\xff" * 7)), "The file begins outside itself."),
    ("superblock-checksum", after(stored(GRID), at(b"\x89HDF", 46, b"\xff"), libver="latest"), "Its checksum is wrong."),
    ("root-nowhere", after(stored(GRID), at(b"\x89HDF", 64, b"\xff\xff\xff\x7f")), "The root lies outside the file."),
    ("btree", after(stored(GRID), at(b"TREE", 0, b"EERT")), "The index of a group is damaged."),
    ("btree-entries", after(stored(GRID), at(b"TREE", 6, b"\xff\xff")), "The index has more entries than fit."),
    ("heap", after(stored(GRID), at(b"HEAP", 0, b"PAEH")), "The names of a group are damaged."),
    ("symbols", after(stored(GRID), at(b"SNOD", 0, b"DONS")), "The table of a group is damaged."),
    ("symbols-count", after(stored(GRID), at(b"SNOD", 6, b"\xff\xff")), "The table has more entries than fit."),
    ("object-header", after(stored(GRID), at(b"OHDR", 0, b"RDHO"), libver="latest"), "An object's header is damaged."),
    ("object-checksum", after(stored(GRID), at(b"OHDR", 8, b"\x55"), libver="latest"), "An object's checksum is wrong."),
    ("float-vax", after(stored(W), at(b"\x11\x20\x1f", 0, b"\x31\x61")), "The byte order of VAX is neither of ours."),
    ("gzip-damaged", after(PACKED, at(b"\x78\x5e", 9, b"\xff\xff\xff")), "A chunk cannot be unpacked."),
    ("fletcher32-wrong", after(stored(GRID, chunks=(37, 23), fletcher32=True), at(GRID.tobytes()[:16], 2, b"\x55")),
     "A chunk's checksum is wrong."),
    ("gzip-integers-damaged", after(packed_numbers, at(b"\x78\x5e", 9, b"\xff\xff\xff")),
     "Integers have to be whole, too."),
):  # fmt: skip
    FILES.add(name, "reject", reason, make)
