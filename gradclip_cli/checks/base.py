"""Define what a check is given (figures for each dump and tensor, no elements) and what it returns (problems)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.limits import Limits
from gradclip_cli.numerics.first_nonfinite import Nonfinite
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.samples import Mask, Matrix


class Tensor(NamedTuple):
    """A tensor of the series; `param` is its name within its layer, `dtype` that of its stored elements."""

    name: str
    layer: str
    param: str
    dtype: str = ""
    block: str = ""


@dataclass(frozen=True)
class Figures:
    """The figures of a series: float64 matrices, dumps × tensors, with 0 where a dump lacks a tensor.

    `max_abs`, `norm` (L2) and `mass` (Σ|g|) are over the finite elements. `same` is 1 where a tensor has the same values as in
    the dump before. `small` and `large` have one matrix for each of `dtypes`: how many values are not 0 but would be 0 or
    subnormal in that dtype, and how many finite ones would overflow. `firsts` has the first element that is not finite by dump
    and tensor, at least for the first dump of each tensor that has any. Tensors are in natural order.
    """

    dumps: Sequence[str]  # as messages name them: "step 7", or a path
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
    firsts: Mapping[tuple[int, int], Nonfinite] = field(default_factory=dict)

    @cached_property
    def nonfinite(self) -> Matrix:
        """The number of elements that are NaN or infinite."""
        return self.nan + self.posinf + self.neginf

    @cached_property
    def nonzero(self) -> Matrix:
        """The number of elements that are finite and not 0."""
        return self.elements - self.zeros - self.nonfinite

    @cached_property
    def sound(self) -> Mask:
        """Which tensors are present and have finite elements only."""
        found: Mask = (self.elements > 0) & (self.nonfinite == 0)
        return found

    @cached_property
    def layers(self) -> list[str]:
        """The layers in natural order."""
        return list(dict.fromkeys(tensor.layer for tensor in self.tensors))

    @cached_property
    def layer_of(self) -> NDArray[np.intp]:
        """The index in `layers` of the layer of each tensor."""
        place = {layer: k for k, layer in enumerate(self.layers)}
        return np.array([place[tensor.layer] for tensor in self.tensors], np.intp)

    @cached_property
    def layers_there(self) -> Mask:
        """Which layers have any elements in each dump (dumps × layers)."""
        found = np.zeros((len(self.layers), len(self.dumps)), np.bool_)
        np.logical_or.at(found, self.layer_of, self.elements.T > 0)
        return found.T

    @cached_property
    def layer_norms(self) -> Matrix:
        """The L2 norm of each layer in each dump (dumps × layers); NaN if any element is not finite."""
        order = np.argsort(self.layer_of, kind="stable")
        starts = np.flatnonzero(np.diff(self.layer_of[order], prepend=-1)).tolist()
        return group_norms(self._norms_as_read[:, order], starts)

    @cached_property
    def dump_norms(self) -> Matrix:
        """The L2 norm of each dump; NaN if any element is not finite."""
        if not self.tensors:
            return np.zeros(len(self.dumps))
        return group_norms(self._norms_as_read, [0])[:, 0]

    @cached_property
    def _norms_as_read(self) -> Matrix:
        return np.where(self.nonfinite > 0, np.nan, self.norm)


class Problem(NamedTuple):
    """One problem, and the dumps (rows) that have it; the other fields describe the first of them.

    It concerns a tensor (its column), a layer, or else the whole dump. `place` is the index of its first element, `slices` are
    indices along axis 0 of the tensor, as text.
    """

    dumps: Sequence[int]
    value: float
    limit: float
    message: str
    tensor: int | None = None
    layer: str | None = None
    place: tuple[int, ...] | None = None
    slices: str | None = None


Check = Callable[[Figures, Limits], Iterable[Problem]]


def places(wrong: Mask) -> list[tuple[list[int], int]]:
    """Return the rows and the column of the True values of each column that has any, sorted by first row."""
    columns = np.flatnonzero(wrong.any(axis=0)).tolist()
    return sorted(((np.flatnonzero(wrong[:, k]).tolist(), k) for k in columns), key=lambda pair: (pair[0][0], pair[1]))


def percent(share: float) -> str:
    """Format a share from 0 to 1 in percent; never round it to 0 % or 100 %.

    >>> percent(0.99951), percent(1.0), percent(0.5), percent(0.0000123)
    ('99.95 %', '100 %', '50 %', '0.00123 %')
    """
    digits = f"{100 * share:.4g}" if share > 0.001 else f"{100 * share:.3g}"
    return f"{'> 99.99' if digits == '100' and share < 1 else digits} %"
