"""Find the first element that is NaN or infinite in each of some tensors, in whatever order their elements lie."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Floats, Raw, decode
from gradclip_cli.numerics.workspace import Workspace

Places = NDArray[np.int64]

KINDS = ("NaN", "+Inf", "-Inf")
"""What an element that is not finite may be; a complex one with an infinite part is called `+Inf`."""


class Nonfinite(NamedTuple):
    """The elements of a tensor that are NaN or infinite; `kind` and `place` are those of the first in row-major order.

    The place, an index along each axis, is within the whole tensor, or within the piece of it in `file` where nothing says
    where that piece belongs.
    """

    name: str
    nan: int
    posinf: int
    neginf: int
    elements: int
    kind: str
    place: tuple[int, ...]
    file: str | None = None

    @property
    def total(self) -> int:
        """The number of elements that are NaN or infinite."""
        return self.nan + self.posinf + self.neginf


class FirstElements(NamedTuple):
    """The first element that is not finite of some tensors, by number: its position in row-major order, and its kind."""

    tensors: Places
    positions: Places
    kinds: Places


def nonfinite_at(raw: Raw, dtype: DType, work: Workspace) -> tuple[Places, Places]:
    """Return where elements of `raw` are not finite, ascending, and of which kind each is, as its number in `KINDS`."""
    values = decode(raw, dtype.part, work)
    at = np.flatnonzero(~np.isfinite(values))
    if not dtype.is_complex:
        return at, _kinds(values[at])
    at = np.unique(at // 2)
    infinite = np.isinf(values.reshape(-1, 2)[at]).any(axis=1)
    return at, np.asarray(infinite, np.int64)


def _kinds(values: Floats) -> Places:
    found: Places = np.where(np.isnan(values), 0, np.where(values > 0, 1, 2))
    return found


def row_major(positions: Places, shape: Sequence[int]) -> Places:
    """Turn positions in column-major order into those in row-major order."""
    found: Places = np.ravel_multi_index(np.unravel_index(positions, tuple(shape), "F"), tuple(shape))
    return found


def firsts(tensors: Places, positions: Places, kinds: Places) -> FirstElements:
    """Return the element of each tensor with the lowest position; elements may be given in any order."""
    order = np.lexsort((positions, tensors))
    taken = order[np.flatnonzero(np.diff(tensors[order], prepend=-1))]
    return FirstElements(tensors[taken], positions[taken], kinds[taken])
