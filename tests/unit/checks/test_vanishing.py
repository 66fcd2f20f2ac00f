"""Gradients that fade are found, and what only looks like it is not."""

import numpy as np
from support.findings import Arrays, Seen

from unit.checks.made import Found, Silent, judging_tests


def ramp(count: int, low: float, high: float) -> Arrays:
    """Return layers `layers.0` to `layers.N`, of which the first has the norm `low` and the others `high`."""
    return {f"layers.{k}.w": [high if k else low] for k in range(count)}


FOUND: Found = {
    "tiny mean": ([{"a.w": [0.9e-7, -0.9e-7], "b.w": [1e-6]}], {}, [Seen("vanishing", 1, "a", "w")]),
    "mean below 1": ([{"a.w": [0.9, -0.9]}], {"vanishing_mean": 1.0}, [Seen("vanishing", 1, "a", "w")]),
    "fading": ([ramp(12, 0.9e-6, 1.0)], {"ignore": ["spread"]}, [Seen("vanishing", 1, "layers.0", None)]),
}

SILENT: Silent = {
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


test_found, test_silent = judging_tests(FOUND, SILENT)
