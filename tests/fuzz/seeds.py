"""Sound dumps, written by the libraries that own the formats, from which mutants are made."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

Array = NDArray[Any]


@cache
def seeds(format: str) -> tuple[bytes, ...]:
    """Return the dumps of one format, always the same."""
    return tuple(_SEEDS[format]())


def _normal(*shape: int, dtype: Any = np.float32) -> Array:
    return np.asarray(np.random.default_rng(len(shape)).standard_normal(shape)).astype(dtype)


def _safetensors() -> Iterator[bytes]:
    floats = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
    every = {f"layer{k}.w": _normal(5, 3, dtype=dtype) for k, dtype in enumerate(floats)}
    integers = {
        f"i.{name}": np.arange(4).astype(name) for name in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
    }
    yield safetensors.numpy.save({**every, **integers}, {"format": "pt", "step": "42"})
    yield safetensors.numpy.save({"w": _normal(20, 30), "scalar": _normal(), "none": _normal(0, 3)})
    yield _packed()
    yield safetensors.numpy.save({})
    yield safetensors.numpy.save({"größe.w": _normal(2), "[red]": _normal(3)})


def _packed() -> bytes:
    """Return a file of the types that numpy does not have: values of less than a byte with their scales, and FNUZ."""
    places = {
        "F4": ([12], 6),
        "F6_E2M3": ([4], 3),
        "F8_E8M0": ([1], 1),
        "F8_E4M3FNUZ": ([8], 8),
        "F8_E5M2FNUZ": ([8], 8),
    }
    header, end = {}, 0
    for code, (shape, size) in places.items():
        header[code.lower()] = {"dtype": code, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(range(end))


def _npz() -> Iterator[bytes]:
    arrays = {
        "lstm.weight": _normal(20, 30),
        "lstm.bias": _normal(20, dtype=np.float64),
        "head.fortran": np.asfortranarray(_normal(7, 5)),
        "head.big": _normal(9, dtype=">f8"),
        "head.half": _normal(dtype=np.float16),
        "step": np.arange(3),
        "names": np.array(["a", "b"]),
        "größe": _normal(0, 2),
    }
    for save in (np.savez, np.savez_compressed):
        for chosen in (arrays, {"w": _normal(3)}):
            out = io.BytesIO()
            save(out, **chosen)  # type: ignore[arg-type]
            yield out.getvalue()
    yield _odd_members()


def _odd_members() -> bytes:
    """Return an archive with an array of no suffix, objects and a text."""
    out, plain, objects = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(plain, _normal(4))
    np.save(objects, np.array([{}], object))
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {"w": plain, "o.npy": objects}.items():
            archive.writestr(zipfile.ZipInfo(name), data.getvalue(), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("notes.txt"), b"hello")
    return out.getvalue()


def _hdf5() -> Iterator[bytes]:
    yield _file(_groups)
    yield _file(_groups, libver="latest")
    for libver in ("earliest", "latest"):
        yield _file(_chunks, libver=libver)
        yield _file(_unlimited, libver=libver)
        yield _file(_compact, libver=libver)
        yield _file(_many, libver=libver)
    yield _file(_groups, userblock_size=512)


def _file(fill: Callable[[h5py.File], None], **options: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", **options) as file:
        fill(file)
    return out.getvalue()


def _groups(file: h5py.File) -> None:
    file["lstm/cell/weight"] = _normal(20, 30)
    file["lstm/cell/bias"] = _normal(20, dtype=">f8")
    file["lstm/cell"].attrs["name"] = "cell of the lstm"
    file["head/half"] = _normal(3, 3, dtype=np.float16)
    file["head/half"].attrs["shape"] = [3, 3]
    file["head/opaque"] = _normal(4, dtype=np.float16).view("V2")
    file["head/opaque"].attrs["dtype"] = "bfloat16"
    file["step"] = np.arange(3)
    file["text"] = "not numbers"
    file["soft"] = h5py.SoftLink("/lstm/cell/weight")
    file["hard"] = file["head"]
    file.create_group("empty")


def _chunks(file: h5py.File) -> None:
    options = {"chunks": (8, 8), "compression": "gzip", "shuffle": True}
    file.create_dataset("a/packed", data=_normal(20, 30), **options)
    file.create_dataset("a/summed", data=_normal(20, 30), fletcher32=True, **options)
    file.create_dataset("a/plain", data=_normal(20, 30, dtype=np.float64), chunks=(5, 30))
    file.create_dataset("a/lzf", data=_normal(40), compression="lzf", chunks=(16,))
    file.create_dataset("b/filled", (6, 6), np.float32, chunks=(3, 3), fillvalue=2.5)


def _unlimited(file: h5py.File) -> None:
    for name, limits in (("none", (20, 30)), ("one", (None, 30)), ("inner", (20, None)), ("two", (None, None))):
        file.create_dataset(name, data=_normal(20, 30), maxshape=limits, chunks=(4, 4))
    file.create_dataset("packed", data=_normal(20, 30), maxshape=(None, None), compression="gzip")


def _compact(file: h5py.File) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    for name in (b"compact", b"empty"):
        space = h5py.h5s.create_simple((12,) if name == b"compact" else (0,))
        dataset = h5py.h5d.create(file.id, name, h5py.h5t.IEEE_F32LE, space, plan)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, _normal(12 if name == b"compact" else 0))
    file.create_dataset("scalar", data=np.float64(3))
    file.create_dataset("null", data=h5py.Empty(np.float32))


def _many(file: h5py.File) -> None:
    """Fill a group beyond what is kept in its header, so that it has a B-tree and a heap, and an object with many attributes."""
    group = file.create_group("layers", track_order=True)
    for k in range(24):
        group[f"layer{k}"] = _normal(2)
    for k in range(12):
        group.attrs[f"attribute {k}"] = k


_SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {"safetensors": _safetensors, "npz": _npz, "hdf5": _hdf5}
