"""The dumps that the benchmarks work on: gradients of a transformer in several formats, and many small things."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
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


def gradients(scale: float, small: float = 0.0) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield random gradients of about 1e-3; a share `small` of them about 1e-6, which float16 holds as subnormals."""
    generator = np.random.default_rng(0)
    for name, shape in shapes(scale).items():
        values = generator.standard_normal(shape, np.float32)
        values *= np.float32(1e-3)
        if small:
            values[generator.random(shape[0]) < small] *= np.float32(1e-3)
        yield name, values


def _safetensors(path: Path, scale: float, dtype: Any = np.float32, size: float = 1.0, small: float = 0.0) -> None:
    save_file({name: array.astype(dtype, copy=False) for name, array in gradients(scale * size, small)}, path)


def _npz(path: Path, scale: float, save: Callable[..., None] = savez, size: float = 1.0) -> None:
    with open(path, "wb") as file:
        save(file, **dict(gradients(scale * size)))


def _hdf5(path: Path, scale: float, size: float = 1.0, **packing: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, array in gradients(scale * size):
            file.create_dataset(name.replace(".", "/"), data=array, **(packing if array.ndim > 1 else {}))


def _many(path: Path, scale: float, count: int) -> None:
    """Write so many tensors of 16 elements."""
    values = np.random.default_rng(0).standard_normal((max(10, int(count * scale)), 16), np.float32)
    save_file({f"layers.{k // 10}.p{k % 10}": value for k, value in enumerate(values)}, path)


def _many_gzipped(path: Path, scale: float, count: int) -> None:
    """Write so many datasets of 64 × 16 elements, each one gzipped chunk."""
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for k in range(max(10, int(count * scale))):
            values = generator.standard_normal((64, 16), np.float32)
            file.create_dataset(f"layers/{k // 10}/p{k % 10}", data=values, compression="gzip", chunks=values.shape)


def _series(path: Path, scale: float, count: int, tensors: int = 10) -> None:
    """Write so many dumps of so many tensors of 8 × 16 elements."""
    path.mkdir()
    generator = np.random.default_rng(0)
    for step in range(max(2, int(count * scale))):
        arrays = {f"layers.{k}.weight": generator.standard_normal((8, 16), np.float32) for k in range(tensors)}
        save_file(arrays, path / f"step_{step:05d}.safetensors")


def _small(path: Path, scale: float) -> None:
    """Write a thousand dumps of 512 KiB."""
    path.mkdir()
    generator = np.random.default_rng(0)
    for step in range(max(2, int(1000 * scale))):
        arrays = {f"layers.{k}.weight": generator.standard_normal((64, 256), np.float32) for k in range(8)}
        save_file(arrays, path / f"step_{step:05d}.safetensors")


def _four(path: Path, scale: float) -> None:
    """Write four dumps that are as large as one of the transformer together."""
    path.mkdir()
    for step in range(4):
        save_file(dict(gradients(scale / 4)), path / f"step_{step}.safetensors")


def _many_members(path: Path, scale: float, count: int) -> None:
    """Write so many members of 32 × 32 elements."""
    with open(path, "wb") as file:
        savez(file, **dict(_squares(max(10, int(count * scale)))))


def _many_datasets(path: Path, scale: float, count: int) -> None:
    """Write so many datasets of 32 × 32 elements, which describe themselves beside their elements."""
    with h5py.File(path, "w") as file:
        for name, values in _squares(max(10, int(count * scale))):
            file.create_dataset(name.replace(".", "/"), data=values)


def _squares(count: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    generator = np.random.default_rng(0)
    for k in range(count):
        yield f"layers.{k // 10}.p{k % 10}", generator.standard_normal((32, 32), np.float32)


def _fifty(path: Path, scale: float) -> None:
    """Write fifty dumps of 32 MiB."""
    path.mkdir()
    for step in range(50):
        _safetensors(path / f"step_{step:05d}.safetensors", scale, size=0.035)


PACKED = 0.06
"""How much of the transformer is in packed formats, whose speed is that of zlib."""

MAKERS: dict[str, Callable[[Path, float], None]] = {
    "f32": _safetensors,
    "large": partial(_safetensors, size=2.0),
    "tiny": partial(_safetensors, size=1e-3),
    "bf16": partial(_safetensors, dtype=ml_dtypes.bfloat16),
    "f16": partial(_safetensors, dtype=np.float16, small=1 / 3),
    "h5": _hdf5,
    "npz": _npz,
    "gzip": partial(_hdf5, size=PACKED, compression="gzip", chunks=True),
    "deflated": partial(_npz, save=savez_compressed, size=PACKED),
    "many": partial(_many, count=100_000),
    "million": partial(_many, count=1_000_000),
    "gzips": partial(_many_gzipped, count=20_000),
    "npz3000": partial(_many_members, count=3000),
    "h53000": partial(_many_datasets, count=3000),
    "fifty": _fifty,
    "small": _small,
    "series": partial(_series, count=1000),
    "run": partial(_series, count=300, tensors=150),
    "four": _four,
}
"""What writes each dump to a path, at a scale; 1 is the size that the table is about."""

if __name__ == "__main__":
    MAKERS[sys.argv[1]](Path(sys.argv[2]), float(sys.argv[3]))
