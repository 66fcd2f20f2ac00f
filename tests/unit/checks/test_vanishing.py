"""Gradients that fade are found, and what only looks like it is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.findings import Arrays, Seen, seen, series
from support.matrices import crossed

from unit.checks.made import SUFFIXES


def ramp(count: int, low: float, high: float) -> Arrays:
    """Return layers `layers.0` to `layers.N`, of which the first has the norm `low` and the others `high`."""
    return {f"layers.{k}.w": [high if k else low] for k in range(count)}


FOUND: dict[str, tuple[Sequence[Arrays], dict[str, Any], list[Seen]]] = {
    "tiny mean": ([{"a.w": [0.9e-7, -0.9e-7], "b.w": [1e-6]}], {}, [Seen("vanishing", 1, "a", "w")]),
    "mean below 1": ([{"a.w": [0.9, -0.9]}], {"vanishing_mean": 1.0}, [Seen("vanishing", 1, "a", "w")]),
    "fading": ([ramp(12, 0.9e-6, 1.0)], {"ignore": ["spread"]}, [Seen("vanishing", 1, "layers.0", None)]),
}

SILENT: dict[str, tuple[Sequence[Arrays], dict[str, Any]]] = {
    "mean at the limit": ([{"a.w": [1e-7, -1e-7]}], {}),
    "few rows of an embedding": ([{"a.w": [*[0.0] * 999, 1e-5]}], {}),
    "a bias in front of a normalisation": ([{"a.w": np.ones((8, 8)), "a.b": np.full(8, 1e-10)}], {}),
    "a first layer beside a last one that explodes": (
        [{"decoder.w": [1.0 + k], "lstm.w": [1e9 if k == 3 else 2.0]} for k in range(6)],
        {"ignore": ["exploding", "dominated", "spread", "unchanged"]},
    ),
    "a first layer beside a last one that has died": (
        [{"decoder.w": [1.0 + k], "lstm.w": [0.0 if k else 1e9]} for k in range(6)],
        {"ignore": ["dead", "dominated", "spread"]},
    ),
    "fading at the limit": ([ramp(12, 1e-6, 1.0)], {}),
    "first and last by number": ([{"layers.10.w": [1.0], "layers.9.w": [1.0], "head.w": [2e-6]}], {}),
}


@pytest.mark.parametrize(("case", "suffix"), crossed(FOUND, SUFFIXES))
def test_found(case: str, suffix: str, tmp_path: Path) -> None:
    """What is beyond a limit is found, once, at the first step and with the tensor's name; nothing else is."""
    dumps, options, expected = FOUND[case]
    assert seen(series(tmp_path, dumps, suffix), **options) == expected


@pytest.mark.parametrize(("case", "suffix"), crossed(SILENT, SUFFIXES))
def test_silent(case: str, suffix: str, tmp_path: Path) -> None:
    """What is at a limit, and what only looks wrong, is not found."""
    dumps, options = SILENT[case]
    assert seen(series(tmp_path, dumps, suffix), **options) == []
