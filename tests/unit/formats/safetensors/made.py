"""Arrays of every dtype, files by hand, and what the official library reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from support.tensors import ORACLES

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
}
"""Every dtype, and what the official library calls it."""
SHAPES: list[tuple[int, ...]] = [(), (0,), (3,), (2, 3), (2, 0, 4), (1, 2, 1, 3)]


def array_of(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of numbers of any of the types."""
    values = np.random.default_rng(0).standard_normal(shape) * 3
    return np.asarray(np.abs(values) if dtype.startswith("u") else values, order="C").astype(ORACLES.get(dtype, dtype))


def official(path: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """What the official library reads: dtype, shape and bytes of each tensor."""
    found = safetensors.deserialize(path.read_bytes())
    return {name: (entry["dtype"], entry["shape"], bytes(entry["data"])) for name, entry in found}


def entry(begin: int, end: int, shape: Any = (1,), dtype: Any = "F32") -> dict[str, Any]:
    """A tensor's entry in a header."""
    return {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape, "data_offsets": [begin, end]}


def write(folder: Path, header: Any, data: bytes, pad: int = 0) -> Path:
    """Write a file by hand; `header` is JSON's value, or its bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * pad
    (folder / "hand.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    return folder / "hand.safetensors"


PACKED = {"F4": ("float4_e2m1fn", 4), "F6_E2M3": ("float6_e2m3fn", 6), "F6_E3M2": ("float6_e3m2fn", 6)}
"""The types whose elements are less than a byte: their name here and their size in bits."""
