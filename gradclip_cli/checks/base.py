"""What a check sees of a series, one number for each dump and tensor and no elements, and what it finds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.limits import Limits
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.samples import Mask, Matrix


class Tensor(NamedTuple):
    """A tensor of the series, and what it is called in its layer."""

    name: str
    layer: str
    param: str


@dataclass(frozen=True)
class Figures:
    """Figures of a series: matrices with a row for each dump and a column for each tensor, all 0 where a dump lacks it.

    `max_abs`, `norm` (L2) and `mass` (Σ|g|) are over the finite elements; `same` says that a tensor has the values of the dump
    before. `small` and `large` have one matrix for each of `dtypes`: how many values are not 0 but would be 0 or
    subnormal there, and how many finite ones would overflow. Tensors are in natural order.
    """

    dumps: Sequence[str]  # as a message calls them: "step 7", or a file
    tensors: Sequence[Tensor]
    dtypes: Sequence[str]
    elements: Matrix
    zeros: Matrix
    nan: Matrix
    posinf: Matrix
    neginf: Matrix
    max_abs: Matrix
    norm: Matrix
    mass: Matrix
    same: Matrix
    small: Matrix
    large: Matrix

    @cached_property
    def nonfinite(self) -> Matrix:
        """How many elements are NaN or infinite."""
        return self.nan + self.posinf + self.neginf

    @cached_property
    def nonzero(self) -> Matrix:
        """How many elements are finite and not 0."""
        return self.elements - self.zeros - self.nonfinite

    @cached_property
    def sound(self) -> Mask:
        """Which tensors are there, and finite throughout."""
        found: Mask = (self.elements > 0) & (self.nonfinite == 0)
        return found

    @cached_property
    def layers(self) -> list[str]:
        """The layers in natural order."""
        return list(dict.fromkeys(tensor.layer for tensor in self.tensors))

    @cached_property
    def layer_of(self) -> NDArray[np.intp]:
        """Which of the layers each tensor belongs to."""
        place = {layer: k for k, layer in enumerate(self.layers)}
        return np.array([place[tensor.layer] for tensor in self.tensors], np.intp)

    @cached_property
    def layers_there(self) -> Mask:
        """Which layers have any element in each dump."""
        found = np.zeros((len(self.layers), len(self.dumps)), np.bool_)
        np.logical_or.at(found, self.layer_of, self.elements.T > 0)
        return found.T

    @cached_property
    def layer_norms(self) -> Matrix:
        """The norm of each layer in each dump; NaN where it is not finite."""
        order = np.argsort(self.layer_of, kind="stable")
        starts = np.flatnonzero(np.diff(self.layer_of[order], prepend=-1)).tolist()
        return group_norms(self._norms_as_read[:, order], starts)

    @cached_property
    def dump_norms(self) -> Matrix:
        """The norm of each dump; NaN where it is not finite."""
        if not self.tensors:
            return np.zeros(len(self.dumps))
        return group_norms(self._norms_as_read, [0])[:, 0]

    @cached_property
    def _norms_as_read(self) -> Matrix:
        return np.where(self.nonfinite > 0, np.nan, self.norm)


class Problem(NamedTuple):
    """One thing that is wrong: the dumps where it shows, of which the first is meant by the other fields.

    It is of a tensor (its column), of a layer, or of the dump as a whole.
    """

    dumps: Sequence[int]
    value: float
    limit: float
    message: str
    tensor: int | None = None
    layer: str | None = None


Check = Callable[[Figures, Limits], Iterable[Problem]]


def places(wrong: Mask) -> list[tuple[list[int], int]]:
    """Return for each column with any True the rows where it is and the column; the earliest first."""
    columns = np.flatnonzero(wrong.any(axis=0)).tolist()
    return sorted(((np.flatnonzero(wrong[:, k]).tolist(), k) for k in columns), key=lambda pair: (pair[0][0], pair[1]))


def percent(share: float) -> str:
    """Write a share so that it is never rounded to all or nothing.

    >>> percent(0.99951), percent(1.0), percent(0.5), percent(0.0000123)
    ('99.95 %', '100 %', '50 %', '0.00123 %')
    """
    digits = f"{100 * share:.4g}" if share > 0.001 else f"{100 * share:.3g}"
    return f"{'> 99.99' if digits == '100' and share < 1 else digits} %"
