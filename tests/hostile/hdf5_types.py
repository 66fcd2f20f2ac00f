"""HDF5 files with elements of every kind."""

from typing import Any

import h5py
import ml_dtypes
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z

from hostile.cases import Arrays
from hostile.hdf5_making import ONE, W, add, changed, created, stored

for code in ("<f8", "<f4", "<f2", ">f8", ">f4", ">f2", "<i8", ">i4", "|i1", "<u2", ">u8", "|u1", "|b1"):
    values = np.array([[1, 0, 5], [2, 3, 4]], code)
    add(f"type-{code}", "accept", "Elements come out as they went in.", stored(-values if code[1] == "f" else values))
    add(
        f"type-{code}-gzip", "accept", "Packed or not.", stored(values, chunks=(1, 2), compression="gzip", shuffle=True)
    )
BF16 = changed(h5t.IEEE_F32LE, fields=(15, 7, 8, 0, 7), size=2, ebias=127)
HALVES = W.astype(ml_dtypes.bfloat16)
add("type-bfloat16", "accept", "A float of 8 and 7 bits is bfloat16.", created(BF16, HALVES.tobytes(), {"odd": HALVES}))
F32 = W.tobytes()
for name, kind, data in (
    ("bias", changed(h5t.IEEE_F32LE, ebias=126), F32), ("no-hidden-bit", changed(h5t.IEEE_F32LE, norm=h5t.NORM_NONE), F32),
    ("highest-bit-set", changed(h5t.IEEE_F32LE, norm=h5t.NORM_MSBSET), F32),
    ("fields", changed(h5t.IEEE_F32LE, fields=(31, 24, 7, 0, 24)), F32),
    ("24-bits", changed(h5t.IEEE_F32LE, fields=(23, 15, 8, 0, 15), precision=24), F32),
    ("3-bytes", changed(h5t.IEEE_F32LE, fields=(23, 15, 8, 0, 15), size=3), F32 + b"\0"), ("x87", h5t.NATIVE_LDOUBLE, bytes(32)),
):  # fmt: skip
    add(
        f"float-{name}",
        "reject",
        "A float of another layout is never taken for a usual one.",
        created(kind, data, beside=True),
    )
for name, kind, data in (
    ("20-bits", changed(h5t.STD_I32LE, precision=20), bytes(8)),
    ("shifted", changed(h5t.STD_I32LE, precision=16, offset=8), bytes(8)),
    ("3-bytes", changed(h5t.STD_I32LE, size=3), bytes(6)), ("16-bytes", changed(h5t.STD_I64LE, size=16), bytes(32)),
    ("bits", h5t.STD_B8LE, bytes(4)), ("opaque", h5t.create(h5t.OPAQUE, 5), bytes(10)),
):  # fmt: skip
    add(
        f"integer-{name}",
        "accept",
        "What is no plain integer is kept and named.",
        created(kind, data, ONE, beside=True),
    )
    add(f"integer-{name}-alone", "reject", "A file without a plain number is no dump.", created(kind, data))

KINDS: dict[str, Any] = {
    "texts": np.array(["a", "b"], object), "bytes": np.array([b"a", b"b"]), "compound": np.zeros(2, [("a", "f4"), ("b", "i4")]),
    "array": np.zeros(2, [("a", "f4", (2,))]), "void": np.void(b"hello"), "null": h5py.Empty("f4"),
    "dates": np.array([1, 2]).astype(h5py.opaque_dtype(np.dtype("M8[s]"))),
}  # fmt: skip
for name, value in KINDS.items():

    def fill(file: h5py.File, value: Any = value) -> Arrays:
        """Put something beside an ordinary dataset."""
        file.create_dataset("odd", data=value)
        file["w"] = W
        return ONE

    add(f"other-{name}", "accept", "What is not numbers is kept and named.", fill)
    add(f"other-{name}-alone", "reject", "A file without numbers is no dump.", stored(value))


def others(file: h5py.File) -> Arrays:
    """Elements that point to something, vary in length, or are one of a few words."""
    file["w"] = W
    file.create_dataset("reference", data=file["w"].ref, dtype=h5py.ref_dtype)
    file.create_dataset("region", data=file["w"].regionref[:1], dtype=h5py.regionref_dtype)
    lists = file.create_dataset("lists", (2,), h5py.vlen_dtype(np.float32))
    lists[0] = [1, 2, 3]
    file.create_dataset("words", data=[1, 0], dtype=h5py.enum_dtype({"NO": 0, "YES": 1}, "i1"))
    file.create_dataset("turned", data=[1, 0], dtype=h5py.enum_dtype({"FALSE": 1, "TRUE": 0}, "i1"))
    file["type"] = np.dtype("f4")
    return ONE


def committed(file: h5py.File) -> Arrays:
    """A dataset whose type is an object of its own."""
    file["type"] = np.dtype("f4")
    file.create_dataset("w", data=W, dtype=file["type"])
    return ONE


def packed_integers(file: h5py.File) -> Arrays:
    """Integers of twenty bits, packed by nbit."""
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((4,))
    plan.set_filter(h5z.FILTER_NBIT, h5z.FLAG_OPTIONAL)
    h5d.create(file.id, b"n", changed(h5t.STD_I32LE, precision=20), h5s.create_simple((4,)), plan)
    file["w"] = W
    return ONE


add("others", "accept", "References, lists and words are kept and named.", others)
add("committed-type", "accept", "A type may have a name.", committed)
add("nbit", "accept", "What is no plain integer is kept and named.", packed_integers)
add("complex", "accept", "A complex number counts by its modulus.", stored(np.array([1 + 2j])))
