"""HDF5 files whose elements are laid out in every way there is."""

from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from hostile.cases import Arrays
from hostile.hdf5_making import GRID, ONE, Fill, W, add, stored

STORAGES: dict[str, dict[str, Any]] = {
    "contiguous": {}, "chunked": {"chunks": (8, 8)}, "chunks-of-one": {"chunks": (1, 1)}, "one-chunk": {"chunks": (37, 23)},
    "chunk-larger": {"chunks": (64, 64), "maxshape": (None, None)}, "gzip": {"chunks": (8, 8), "compression": "gzip"},
    "gzip-0": {"chunks": (8, 8), "compression": "gzip", "compression_opts": 0}, "lzf": {"chunks": (8, 8), "compression": "lzf"},
    "shuffle": {"chunks": (8, 8), "shuffle": True}, "shuffle-gzip": {"chunks": (8, 8), "shuffle": True, "compression": "gzip"},
    "fletcher32": {"chunks": (8, 8), "fletcher32": True}, "szip": {"chunks": (8, 8), "compression": "szip"},
    "all-filters": {"chunks": (8, 8), "shuffle": True, "compression": "gzip", "fletcher32": True},
    "one-unlimited": {"chunks": (8, 8), "maxshape": (None, 23)}, "two-unlimited": {"chunks": (8, 8), "maxshape": (None, None)},
    "inner-unlimited": {"chunks": (8, 8), "maxshape": (37, None)},
    "inner-unlimited-gzip": {"chunks": (8, 8), "maxshape": (40, None), "compression": "gzip"},
}  # fmt: skip
for name, storage in STORAGES.items():
    for version in ("earliest", "v110", "latest"):
        libver = version if version == "earliest" else (version, "latest")
        add(
            f"{name}-{version}",
            "accept",
            "Every layout holds the same elements.",
            stored(GRID, **storage),
            libver=libver,
        )


def compact(file: h5py.File) -> Arrays:
    """A dataset inside its own header."""
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_layout(h5d.COMPACT)
    dataset = h5d.create(file.id, b"w", h5t.IEEE_F32LE, h5s.create_simple((2,)), plan)
    dataset.write(h5s.ALL, h5s.ALL, W)
    return ONE


def timed(time: int) -> Fill:
    """A chunked dataset of which one chunk is written, and whose space is taken early, late or bit by bit."""

    def fill(file: h5py.File) -> Arrays:
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_chunk((4,))
        plan.set_alloc_time(time)
        plan.set_fill_value(np.array(2, np.float32))
        dataset = h5py.Dataset(h5d.create(file.id, b"w", h5t.IEEE_F32LE, h5s.create_simple((12,)), plan))
        dataset[4:6] = W
        return {"w": dataset[()]}

    return fill


def masked(file: h5py.File) -> Arrays:
    """A chunk for which the filters were left out."""
    dataset = file.create_dataset("w", (8,), "f4", chunks=(4,), compression="gzip", shuffle=True)
    dataset.id.write_direct_chunk((0,), np.arange(4, dtype=np.float32).tobytes(), filter_mask=3)
    dataset[4:] = 5
    return {"w": np.array([0, 1, 2, 3, 5, 5, 5, 5], np.float32)}


def never_written(file: h5py.File) -> Arrays:
    """Datasets of which nothing was ever written."""
    file.create_dataset("contiguous", (3,), "f8", fillvalue=1.5)
    file.create_dataset("chunked", (3,), "f4", chunks=(2,), fillvalue=-0.0)
    return {"contiguous": np.full(3, 1.5), "chunked": np.full(3, -0.0, np.float32)}


def half_written(file: h5py.File) -> Arrays:
    """A dataset that may grow along its second axis, and was written as far as its middle."""
    dataset = file.create_dataset("w", (8, 310), "f4", chunks=(4, 31), maxshape=(8, None))
    dataset[:, :155] = np.arange(8 * 155).reshape(8, 155)
    return {"w": dataset[()]}


def shrunk(file: h5py.File) -> Arrays:
    """A dataset that was larger once."""
    dataset = file.create_dataset("w", data=GRID, chunks=(8, 8), maxshape=(None, None), compression="gzip")
    dataset.resize((10, 5))
    return {"w": GRID[:10, :5].copy()}


add("compact", "accept", "A small dataset may lie in its own header.", compact)
add("early", "accept", "Space may be taken early.", timed(h5d.ALLOC_TIME_EARLY))
add("late", "accept", "Space may be taken late.", timed(h5d.ALLOC_TIME_LATE))
add("by-and-by", "accept", "Space may be taken chunk by chunk.", timed(h5d.ALLOC_TIME_INCR))
add("filter-mask", "accept", "A chunk may do without the filters.", masked)
add("never-written", "accept", "What was never written is the fill value, and counts.", never_written)
for version in ("earliest", "latest"):
    add(f"half-written-{version}", "accept", "Chunks are where they are.", half_written, libver=version)
add("shrunk", "accept", "What lies outside the shape does not count.", shrunk)
add("scale-offset", "accept", "What comes out of a lossy filter is what is there.",
    lambda file: {"w": file.create_dataset("w", data=GRID, chunks=(8, 8), scaleoffset=3) and file["w"][()]})  # fmt: skip
for name, shape in {"scalar": (), "empty": (0,), "empty-inside": (3, 0, 2), "rank-32": (1,) * 32}.items():
    add(f"shape-{name}", "accept", "Any shape will do.", stored(np.ones(shape, np.float32)))
add("shape-empty-giant", "accept", "A giant without elements is empty.", stored(np.zeros((0, 1 << 40), np.float32)))
add("shape-empty-unlimited", "accept", "A dataset may wait for its elements.",
    stored(np.zeros((0, 4), np.float32), maxshape=(None, 4)))  # fmt: skip
for size in (512, 1024, 4096):
    add(
        f"user-block-{size}",
        "accept",
        "The signature may stand behind a user block.",
        stored(GRID),
        userblock_size=size,
    )
add("pages", "accept", "Space may be managed in pages.", stored(GRID), fs_strategy="page", fs_persist=True)
add(
    "pages-chunked",
    "accept",
    "Space may be managed in pages.",
    stored(GRID, chunks=(8, 8)),
    fs_strategy="page",
    libver="latest",
)
