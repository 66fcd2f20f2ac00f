"""Matrices of parameters, of which `make test` runs a sample and `make test-all` every cell."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest


def crossed(*axes: Iterable[Any], rounds: int = 1) -> list[Any]:
    """Return every combination of values as parameters; all but a sample are marked `heavy`.

    The sample holds every value of every axis: it walks along the longest axis while the others go round. Each further
    round shifts the axes against each other.
    """
    values = [list(axis) for axis in axes]
    chosen = _sample([len(axis) for axis in values], rounds)
    return [
        pytest.param(*(axis[k] for axis, k in zip(values, cell, strict=True)), marks=[] if cell in chosen else heavy)
        for cell in product(*(range(len(axis)) for axis in values))
    ]


def every_second(cases: Iterable[Any]) -> list[Any]:
    """Return cases as parameters; every second one is marked `heavy`."""
    return [pytest.param(case, marks=heavy if k % 2 else []) for k, case in enumerate(cases)]


heavy = pytest.mark.heavy
"""Takes long; `make test-all` runs it."""


def _sample(sizes: Sequence[int], rounds: int) -> set[tuple[int, ...]]:
    """Choose cells of a matrix.

    >>> sorted(_sample([3, 2], 1))
    [(0, 0), (1, 1), (2, 0)]
    >>> len(_sample([3, 2], 2))
    6
    """
    longest = max(sizes)
    return {
        tuple((k + place * turn) % size for place, size in enumerate(sizes))
        for turn in range(rounds)
        for k in range(longest)
    }
