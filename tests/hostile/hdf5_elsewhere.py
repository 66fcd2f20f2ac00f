"""HDF5 files that need other files, unknown filters, or more memory than there is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z

from hostile.cases import Arrays
from hostile.hdf5_making import FILES, ONE, Fill, W, add


def elsewhere(name: str, size: int = 8) -> Fill:
    """A dataset whose elements lie in another file."""
    return lambda file: file.create_dataset("w", (size // 4,), "f4", external=[(name, 0, size)]) and None


def virtual(source: str) -> Fill:
    """A dataset that is a view of others."""

    def fill(file: h5py.File) -> Arrays:
        file["source"] = W
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource(source, "source", (2,))
        file.create_virtual_dataset("w", layout)
        return {"w": W, "source": W}

    return fill


add("external", "reject", "No other file is opened.", elsewhere("other.bin"))
add("external-device", "reject", "No device is opened.", elsewhere("/dev/zero", 1 << 40))
add("external-etc", "reject", "No other file is opened.", elsewhere("/etc/hostname"))
add("virtual", "reject", "No other file is opened.", virtual("other.h5"))
add("virtual-itself", "either", "A view of its own file is no tensor of its own.", virtual("."))


# Filters that are not there, and sizes that cannot be.
def unknown(flag: int) -> Fill:
    """A filter that nobody knows, in the place of shuffle."""

    def fill(file: h5py.File) -> Arrays:
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_chunk((2,))
        plan.set_filter(h5z.FILTER_LZF, flag, (1, 2, 3))
        dataset = h5d.create(file.id, b"w", h5t.IEEE_F32LE, h5s.create_simple((2,)), plan)
        dataset.write_direct_chunk((0,), W.tobytes(), 1 if flag else 0)
        return ONE

    return fill


def renumbered(flag: int) -> Callable[[Path], Arrays | None]:
    """A file in which a filter has been given a number that nobody knows."""

    def make(path: Path) -> Arrays | None:
        with h5py.File(path, "w") as file:
            arrays = unknown(flag)(file)
        data = path.read_bytes()
        assert data.count(b"\x00\x7d\x08\x00") == 1
        path.write_bytes(data.replace(b"\x00\x7d\x08\x00", b"\xe8\xfd\x08\x00"))
        return arrays

    return make


FILES.add("filter-unknown", "reject", "A chunk that cannot be unpacked cannot be read.", renumbered(0))
FILES.add(
    "filter-unknown-unused", "either", "A filter that was left out need not be known.", renumbered(h5z.FLAG_OPTIONAL)
)


def packed_twice(file: h5py.File) -> Arrays:
    """A dataset packed two times."""
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((64,))
    plan.set_deflate(9)
    plan.set_filter(h5z.FILTER_DEFLATE, 0, (9,))
    h5d.create(file.id, b"w", h5t.IEEE_F32LE, h5s.create_simple((64,)), plan).write(
        h5s.ALL, h5s.ALL, np.ones(64, np.float32)
    )
    return {"w": np.ones(64, np.float32)}


add("filter-twice", "either", "Twice packed is a bomb more often than not.", packed_twice)


def declared(shape: tuple[int, ...], **storage: Any) -> Fill:
    """A dataset of which nothing was written."""
    return lambda file: file.create_dataset("w", shape, "f4", **storage) and None


add("giant-contiguous", "reject", "It says more than it holds.", declared((1 << 38,)))
add("giant-chunked", "reject", "It says more than it holds.", declared((1 << 38,), chunks=(1 << 10,)))
add("giant-filled", "reject", "It says more than it holds.", declared((1 << 31,), fillvalue=1.0))
add("giant-chunk", "reject", "One chunk would fill the memory.", declared((4,), chunks=(1 << 29,), maxshape=(None,)))


def zeros(size: int, chunk: int, **storage: Any) -> Fill:
    """Zeros, of which a chunk takes next to nothing."""

    def fill(file: h5py.File) -> Arrays:
        dataset = file.create_dataset(
            "w", (size,), "f4", chunks=(chunk,), compression="gzip", compression_opts=9, **storage
        )
        import zlib

        data = zlib.compress(bytes(4 * chunk), 9)
        for start in range(0, size, chunk):
            dataset.id.write_direct_chunk((start,), data)
        return {}

    return fill


def made(fill: Fill) -> Callable[[Path], None]:
    """Write a file that a function fills."""

    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            fill(file)

    return make


BOMBS = {
    "a-chunk-of-400-mb": (made(zeros(100_000_000, 100_000_000)), 3),
    "two-chunks-of-60-mb": (made(zeros(30_000_000, 15_000_000, shuffle=True)), 0),
}
