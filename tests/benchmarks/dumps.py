"""The dumps that the benchmarks work on: gradients of a transformer, as large as asked for."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LAYERS, WIDTH, VOCABULARY, POSITIONS = 12, 1024, 40_000, 1024


def shapes(scale: float = 1.0) -> dict[str, tuple[int, ...]]:
    """The tensors of a 12-layer transformer: 234 million elements, times `scale` by way of the vocabulary and the width."""
    width = int(WIDTH * scale**0.5) // 8 * 8
    found: dict[str, tuple[int, ...]] = {
        "transformer.wte.weight": (VOCABULARY, width),
        "transformer.wpe.weight": (POSITIONS, width),
    }
    for layer in range(LAYERS):
        prefix = f"transformer.h.{layer}"
        for name, rows in (("attn.c_attn", 3), ("attn.c_proj", 1), ("mlp.c_fc", 4)):
            found |= {f"{prefix}.{name}.weight": (rows * width, width), f"{prefix}.{name}.bias": (rows * width,)}
        found |= {f"{prefix}.mlp.c_proj.weight": (width, 4 * width), f"{prefix}.mlp.c_proj.bias": (width,)}
        for norm in ("ln_1", "ln_2"):
            found |= {f"{prefix}.{norm}.weight": (width,), f"{prefix}.{norm}.bias": (width,)}
    found |= {
        "transformer.ln_f.weight": (width,),
        "transformer.ln_f.bias": (width,),
        "lm_head.weight": (VOCABULARY, width),
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
