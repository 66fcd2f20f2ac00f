"""Dumps that the laws are tried on, and pieces of any size."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import DTypeLike
from support.official import BFLOAT16, Array, Tensors

from laws.pieces import patch_pieces


@pytest.fixture
def gradients() -> Tensors:
    """Provide gradients of four dtypes in layers whose norms lie on both sides of 1, with zeros and an empty tensor."""
    rng = np.random.default_rng(7)

    def normal(shape: tuple[int, ...], size: float, dtype: DTypeLike) -> Array:
        return np.asarray(rng.standard_normal(shape) * size).astype(dtype)

    return {
        "lstm.weight": normal((100, 97), 0.05, np.float32),
        "lstm.bias": normal((97,), 0.5, np.float64),
        "head.weight": normal((7, 11), 0.4, np.float16),
        "head.bias": normal((11,), 0.5, BFLOAT16),
        "calm.weight": normal((3, 5, 7), 0.01, np.float32),
        "calm.scale": normal((), 0.1, np.float64),
        "dead.weight": np.zeros((4, 4), np.float32),
        "dead.nothing": np.zeros((0, 3), np.float32),
        "step.count": np.arange(5),
    }


@pytest.fixture
def piece_bytes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a test say how much of a tensor is read at once, wherever the package says so."""
    return partial(patch_pieces, monkeypatch)
