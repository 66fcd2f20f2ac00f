"""Dumps written and read by the libraries that own the formats, and elements compared bit by bit."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import ArrayLike, NDArray

import gradclip_cli
from gradclip_cli.formats import by_name, by_suffix
from gradclip_cli.reports.apply import ApplyDump
from gradclip_cli.strategies import find
from gradclip_cli.strategies.builtin import GLOBAL

Array = NDArray[Any]
Tensors = Mapping[str, Array]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
E4M3FN = np.dtype(ml_dtypes.float8_e4m3fn)
E5M2 = np.dtype(ml_dtypes.float8_e5m2)
FNUZ = (np.dtype(ml_dtypes.float8_e4m3fnuz), np.dtype(ml_dtypes.float8_e5m2fnuz))
FLOATS = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16), BFLOAT16)
"""The types of gradients that every format can hold."""

savez: Callable[..., None] = np.savez
savez_compressed: Callable[..., None] = np.savez_compressed
"""numpy's own, whose types take the arrays of a table for options."""

CODES: dict[str, np.dtype[Any]] = {
    "BF16": BFLOAT16,
    "F8_E4M3": E4M3FN,
    "F8_E5M2": E5M2,
    "F8_E4M3FNUZ": FNUZ[0],
    "F8_E5M2FNUZ": FNUZ[1],
    "BOOL": np.dtype(bool),
    "C64": np.dtype(np.complex64),
} | {
    f"{letter}{8 * size}": np.dtype(f"{letter.lower()}{size}")
    for letter, sizes in {"F": (2, 4, 8), "I": (1, 2, 4, 8), "U": (1, 2, 4, 8)}.items()
    for size in sizes
}
"""The types by the names that safetensors has for them."""


def save(folder: Path, format: str, tensors: Tensors, name: str = "g") -> Path:
    """Write a dump with the format's own library; a format without one here is converted to from safetensors."""
    path = folder / f"{name}{by_name(format).suffixes[0]}"
    if format in _WRITERS:
        return save_as(path, tensors)
    gradclip_cli.apply(save(folder, "safetensors", tensors, f"{name}-source"), path, strategy="none")
    return path


def save_as(path: Path, tensors: Mapping[str, ArrayLike]) -> Path:
    """Write a dump with the library of the format that its suffix names; numbers without a dtype are float64."""
    format = by_suffix(str(path))
    assert format is not None
    _WRITERS[format.name](path, {name: np.asarray(array) for name, array in tensors.items()})
    return path


def load(path: Path) -> dict[str, Array]:
    """Read a dump with the format's own library; one without is converted to safetensors."""
    format = by_suffix(str(path))
    assert format is not None
    if format.name in _READERS:
        return _READERS[format.name](path)
    plain = path.with_name(f"{path.name}.safetensors")
    gradclip_cli.apply(path, plain, strategy="none")
    return load(plain)


def clip(source: Path, target: Path, **options: Any) -> ApplyDump:
    """Run gradclip on one dump; what has two bytes and no type is bfloat16. A strategy that takes weights has the dump's own."""
    if find(options.get("strategy", GLOBAL.name)).takes_weights:
        options.setdefault("weights", source)
    [dump] = gradclip_cli.apply(source, target, void_dtype="bfloat16", **options).dumps
    return dump


def factor_of(dump: ApplyDump) -> float:
    """Return what the first tensor of a dump was multiplied by."""
    factor = dump.params[0].factor
    assert factor is not None
    return factor


def beside(source: Path, format: str, name: str = "out") -> Path:
    """Name an output of a format in the folder of a dump."""
    return source.with_name(f"{name}{by_name(format).suffixes[0]}")


def bits(array: Array) -> tuple[str, tuple[int, ...], bytes]:
    """Return all that there is to an array: its dtype, its shape, and its elements in this machine's byte order."""
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    return native.dtype.name, native.shape, native.tobytes()


def all_bits(tensors: Tensors) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Return the bits of every tensor, by name."""
    return {name: bits(array) for name, array in tensors.items()}


def ulps(found: Array, expected: Array) -> int:
    """Return by how many steps of their dtype two finite arrays differ at most."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    size = 8 * found.dtype.itemsize
    words: list[NDArray[Any]] = [np.atleast_1d(a).view(f"i{size // 8}").astype(object) for a in (found, expected)]
    steps = [np.where(w < 0, -(w + (1 << (size - 1))), w) for w in words]
    return int(np.abs(steps[0] - steps[1]).max(initial=0))


def spacing(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Return the distance between neighbours of `dtype` around each value."""
    info = ml_dtypes.finfo(dtype)
    _, exponents = np.frexp(values)
    found: NDArray[np.float64] = np.ldexp(1.0, np.maximum(exponents - 1, int(info.minexp)) - int(info.nmant))
    return found


def save_safetensors(path: Path, tensors: Tensors) -> None:
    """Write with safetensors, which wants arrays in C order."""
    safetensors.numpy.save_file({name: np.asarray(a, order="C") for name, a in tensors.items()}, path)


def load_safetensors(path: Path) -> dict[str, Array]:
    """Read the header and the bytes with safetensors: its numpy side knows neither bfloat16 nor float8."""
    found = {}
    for name, entry in safetensors.deserialize(path.read_bytes()):
        found[name] = np.frombuffer(bytes(entry["data"]), CODES[entry["dtype"]]).reshape(entry["shape"])
    return found


def save_hdf5(path: Path, tensors: Tensors, **storage: Any) -> None:
    """Write with h5py, bfloat16 as two opaque bytes and an attribute."""
    with h5py.File(path, "w") as file:
        for name, array in tensors.items():
            plain = array.view("V2") if array.dtype == BFLOAT16 else array
            dataset = file.create_dataset(name, data=plain, **storage)
            if array.dtype == BFLOAT16:
                dataset.attrs["dtype"] = "bfloat16"


def load_hdf5(path: Path) -> dict[str, Array]:
    """Read every dataset with h5py."""
    found: dict[str, Array] = {}

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            array = np.asarray(thing[()])
            found[name] = array.view(BFLOAT16) if thing.attrs.get("dtype") == "bfloat16" else array

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def save_npz(path: Path, tensors: Tensors) -> None:
    """Write with numpy, bfloat16 as two opaque bytes."""
    np.savez(path, **_opaque(tensors))


def save_deflated(path: Path, tensors: Tensors) -> None:
    """Write with numpy, every array deflated."""
    np.savez_compressed(path, **_opaque(tensors))


def load_npz(path: Path) -> dict[str, Array]:
    """Read with numpy; what has two bytes and no type is bfloat16."""
    with np.load(path, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    return {name: a.view(BFLOAT16) if a.dtype == np.dtype("V2") else a for name, a in found.items()}


def _opaque(tensors: Tensors) -> dict[str, Any]:
    return {name: array.view("V2") if array.dtype == BFLOAT16 else array for name, array in tensors.items()}


_WRITERS: dict[str, Callable[[Path, Tensors], None]] = {
    "safetensors": save_safetensors,
    "hdf5": save_hdf5,
    "npz": save_npz,
}
_READERS: dict[str, Callable[[Path], dict[str, Array]]] = {
    "safetensors": load_safetensors,
    "hdf5": load_hdf5,
    "npz": load_npz,
}
