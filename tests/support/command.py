"""The types of what the fixtures provide, and the command as a process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from support.official import save_as

GRADCLIP = [sys.executable, "-m", "gradclip_cli"]


@dataclass(frozen=True)
class Result:
    """What a run left behind: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]
"""Takes arguments of the command."""

Save = Callable[..., Path]
"""Takes the name of a dump, and its tensors as keywords."""

NETWORK = {
    "lstm.weight": np.array([[3, 0], [0, 4]], np.float32),
    "lstm.bias": np.array([12, 0], np.float32),
    "head.weight": np.array([0.3, 0.4], np.float32),
    "step.count": np.array([7]),
}
"""Layers `lstm`, of norm 13, and `head`, of norm 0.5, and a counter."""


def save_here(name: str = "g.safetensors", /, **tensors: Any) -> Path:
    """Write a dump into the working directory; numbers without a dtype are float32."""
    arrays = {key: np.asarray(value, dtype=getattr(value, "dtype", np.float32)) for key, value in tensors.items()}
    return save_as(Path(name), arrays)
