"""Sums along rows that have the same bits on every processor.

BLAS adds in an order of its own on each kind of processor. Here elements are multiplied one by one, and added by numpy in
the pairwise order that its source fixes for contiguous float64 (Higham 1993), whatever vector units there are.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.workspace import borrow

Rows = NDArray[np.float64]
Fill = Callable[[slice, Rows], None]
"""What puts the terms of some of the rows into an array."""

_TERMS = 1 << 16
"""How many terms are made at once: eight blocks, which stay in the processor's cache."""


def sum_products(a: Rows, b: Rows) -> Rows:
    """Return Σa·b of each row of two arrays of one shape."""

    def fill(part: slice, terms: Rows) -> None:
        np.multiply(a[part], b[part], out=terms)

    return _sum_terms(a.shape, fill)


def sum_powers(rows: Rows, p: float) -> Rows:
    """Return Σ|x|^P of each row, for a finite P; for any but 1 and 2 the powers are those of this processor."""
    if p == 2.0:
        return sum_products(rows, rows)

    def fill(part: slice, terms: Rows) -> None:
        np.abs(rows[part], out=terms)
        if p != 1.0:
            np.power(terms, p, out=terms)

    return _sum_terms(rows.shape, fill)


def _sum_terms(shape: tuple[int, ...], fill: Fill) -> Rows:
    """Add the terms of each row along the contiguous axis of a C-ordered array, the only layout whose order is fixed."""
    count, width = shape
    step = max(1, min(count, _TERMS // max(1, width)))
    terms = borrow("terms", step * width, np.float64).reshape(step, width)
    found = np.empty(count)
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        some = terms[: part.stop - start]
        fill(part, some)
        np.add.reduce(some, axis=1, out=found[part])
    return found
