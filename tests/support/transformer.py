"""The dumps that the benchmarks work on: gradients of a transformer, in several formats and sizes."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from support.official import savez, savez_compressed

LAYERS, WIDTH, VOCABULARY, POSITIONS = 12, 1024, 40_000, 1024


def shapes(scale: float = 1.0) -> dict[str, tuple[int, ...]]:
    """The tensors of a 12-layer transformer: 234 million elements times `scale`, by way of rows alone."""
    rows = {"transformer.wte.weight": VOCABULARY, "transformer.wpe.weight": POSITIONS, "lm_head.weight": VOCABULARY}
    for layer in range(LAYERS):
        for name, height in (("attn.c_attn", 3), ("attn.c_proj", 1), ("mlp.c_fc", 4), ("mlp.c_proj", 4)):
            rows[f"transformer.h.{layer}.{name}.weight"] = height * WIDTH
    found: dict[str, tuple[int, ...]] = {name: (max(1, int(height * scale)), WIDTH) for name, height in rows.items()}
    for layer in range(LAYERS):
        found |= {
            f"transformer.h.{layer}.{name}": (WIDTH,) for name in ("ln_1.weight", "ln_1.bias", "attn.c_attn.bias")
        }
    return found


def gradients(scale: float = 1.0, small: float = 0.0) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield random gradients of about 1e-3; a share `small` of them about 1e-6, which float16 holds as subnormals."""
    generator = np.random.default_rng(0)
    for name, shape in shapes(scale).items():
        values = generator.standard_normal(shape, np.float32)
        values *= np.float32(1e-3)
        if small:
            values[generator.random(shape[0]) < small] *= np.float32(1e-3)
        yield name, values


def make(folder: Path, name: str, scale: float = 1.0) -> Path:
    """Write one of the dumps and return its path."""
    path = folder / name
    if name in ("f32", "bf16", "f16", "tiny"):
        dtype: Any = {"bf16": ml_dtypes.bfloat16, "f16": np.float16}.get(name, np.float32)
        path = path.with_suffix(".safetensors")
        size = 1e-3 if name == "tiny" else scale
        save_file({key: array.astype(dtype) for key, array in gradients(size, 1 / 3 if name == "f16" else 0)}, path)
    elif name in ("npz", "deflated"):
        path = path.with_suffix(".npz")
        with open(path, "wb") as file:
            (savez if name == "npz" else savez_compressed)(file, **dict(gradients(1.0 if name == "npz" else 0.06)))
    elif name in ("h5", "gzip"):
        path = path.with_suffix(".h5")
        packing: dict[str, Any] = {"compression": "gzip", "chunks": True} if name == "gzip" else {}
        with h5py.File(path, "w") as file:
            for key, array in gradients(0.06 if name == "gzip" else 1.0):
                file.create_dataset(key.replace(".", "/"), data=array, **(packing if array.ndim > 1 else {}))
    else:
        _make_small(path, name)
        path = path if name == "series" else path.with_suffix(".safetensors")
    return path


def _make_small(path: Path, name: str) -> None:
    """Write 100 000 tensors of 16 elements in one file, or 1 000 dumps of ten small tensors."""
    generator = np.random.default_rng(0)
    if name == "many":
        arrays = {f"layers.{k // 10}.p{k % 10}": generator.standard_normal(16, np.float32) for k in range(100_000)}
        save_file(arrays, path.with_suffix(".safetensors"))
        return
    path.mkdir()
    for step in range(1000):
        arrays = {f"layers.{k}.weight": generator.standard_normal((8, 16), np.float32) for k in range(10)}
        save_file(arrays, path / f"step_{step:05d}.safetensors")


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
