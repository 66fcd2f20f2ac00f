"""Make the run that the documents show: a 24-layer transformer of 291 tensors in bfloat16, 60 steps, with planted faults.

Layers 0 and 1 vanish throughout. At step 40 layer 17 rises eightfold, at step 41 everything explodes, and at step 52 one
element of layer 9 is NaN. Norms fall from 27 to 10 over the first steps.
"""

from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

STEPS, LAYERS, WIDTH, VOCABULARY, HIDDEN = 60, 24, 32, 256, 64
VANISHING, LEADER, FIRST, EXPLOSION, BROKEN = (0, 1), 17, 40, 41, 52
NAN = "model.layers.9.mlp.down_proj.weight"
WHERE = (3, 5)

Tensors = dict[str, NDArray[np.float32]]


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors, by name."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    for layer in range(LAYERS):
        block = f"model.layers.{layer}."
        found |= {f"{block}self_attn.{name}_proj.weight": (WIDTH, WIDTH) for name in "qkvo"}
        found |= {f"{block}mlp.{name}_proj.weight": (HIDDEN, WIDTH) for name in ("gate", "up")}
        found[f"{block}mlp.down_proj.weight"] = (WIDTH, HIDDEN)
        found |= {f"{block}{name}_layernorm.weight": (WIDTH,) for name in ("input", "post_attention")}
        found |= {f"{block}self_attn.{name}_proj.bias": (WIDTH,) for name in "qkv"}
    return {**found, "model.norm.weight": (WIDTH,), "lm_head.weight": (VOCABULARY, WIDTH)}


def gradients(step: int, seed: int = 0, *, faults: bool = True) -> Tensors:
    """Return the gradients of one step."""
    generator = np.random.default_rng(seed * 1000 + step)
    found = {}
    for name, shape in shapes().items():
        scale = _scale(name, step, faults) * np.exp(0.1 * generator.standard_normal())
        found[name] = (scale * generator.standard_normal(shape)).astype(np.float32)
    if faults and step == BROKEN:
        found[NAN][WHERE] = np.nan
    return found


def _scale(name: str, step: int, faults: bool) -> float:
    scale = 0.02 * (1 + 2 * np.exp(-step / 10)) * (2 if name.startswith("model.embed") else 1)
    layer = int(name.split(".")[2]) if ".layers." in name else None
    if layer is not None:
        scale *= (0.6 + 0.4 * layer / LAYERS) * (1e-7 if layer in VANISHING else 1)
    if faults and step == EXPLOSION:
        scale *= 12 if layer is None or layer < LEADER else 60 if layer == LEADER else 25
    if faults and step == FIRST and layer == LEADER:
        scale *= 8
    return float(scale)


def write(folder: Path, seed: int = 0, *, faults: bool = True, steps: range = range(STEPS)) -> Path:
    """Write a run as safetensors of bfloat16, one file a step; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for step, tensors in _series(steps, seed, faults):
        narrow = {name: values.astype(ml_dtypes.bfloat16) for name, values in tensors.items()}
        save_file(narrow, folder / f"step_{step:06d}.safetensors")
    return folder


def _series(steps: range, seed: int, faults: bool) -> Iterator[tuple[int, Tensors]]:
    return ((step, gradients(step, seed, faults=faults)) for step in steps)
