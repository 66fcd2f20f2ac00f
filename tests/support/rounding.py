"""Round float64 once to any narrower float, by looking for the nearest of all its values: slow, and right."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def nearest(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return `values` rounded once to nearest even, without any cast of a library but numpy's own to float32.

    Casts of ml_dtypes go by float32, and so round twice.
    """
    wide, kind = np.asarray(values, np.float64), np.dtype(dtype)
    if kind.itemsize > 2:
        with np.errstate(over="ignore"):
            return wide.astype(kind)
    words = np.arange(1 << 15, dtype=np.uint16)
    with np.errstate(invalid="ignore"):  # the cast of NaN
        table = words.view(kind).astype(np.float64)
    table = table[: int(np.flatnonzero(np.isinf(table))[0])]
    table = np.append(table, 2 * table[-1] - table[-2])  # where infinity begins, if there were one more exponent
    size = np.minimum(np.abs(wide), table[-1])
    above = np.searchsorted(table, np.where(np.isnan(size), 0, size))
    below = np.maximum(above - 1, 0)
    up, down = table[above] - size, size - table[below]
    chosen = np.where((up < down) | ((up == down) & (above % 2 == 0)), above, below).astype(np.uint16)
    signed = chosen | (np.signbit(wide).astype(np.uint16) << 15)
    found: NDArray[Any] = np.where(np.isnan(wide), np.array(np.nan, kind).view(np.uint16), signed).view(kind)
    return found
