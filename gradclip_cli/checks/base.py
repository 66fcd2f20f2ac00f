"""Define what a check is given (figures for each dump and tensor, no elements) and what it returns (problems)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.limits import Limits
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.norm_table import GroupName, NormTable
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
    subnormal in that dtype, and how many finite ones would overflow. Tensors are in natural order.
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
        return self._there(self.layer_of, len(self.layers))

    @cached_property
    def layer_norms(self) -> Matrix:
        """The L2 norm of each layer in each dump (dumps × layers); NaN if any element is not finite."""
        return self._norms_of(self.layer_of)

    @cached_property
    def blocks(self) -> NormTable:
        """The L2 norm of each block in each dump; NaN if any element is not finite."""
        names = [tensor.block or tensor.layer for tensor in self.tensors]
        place = {name: k for k, name in enumerate(dict.fromkeys(names))}
        of = np.array([place[name] for name in names], np.intp)
        return NormTable([GroupName(name) for name in place], self._norms_of(of), ~self._there(of, len(place)))

    @cached_property
    def dump_norms(self) -> Matrix:
        """The L2 norm of each dump; NaN if any element is not finite."""
        if not self.tensors:
            return np.zeros(len(self.dumps))
        return group_norms(self._norms_as_read, [0])[:, 0]

    def _there(self, of: NDArray[np.intp], groups: int) -> Mask:
        found = np.zeros((groups, len(self.dumps)), np.bool_)
        np.logical_or.at(found, of, self.elements.T > 0)
        return found.T

    def _norms_of(self, of: NDArray[np.intp]) -> Matrix:
        """Return the norms of groups of tensors (dumps × groups), given the group of each tensor."""
        order = np.argsort(of, kind="stable")
        starts = np.flatnonzero(np.diff(of[order], prepend=-1)).tolist()
        return group_norms(self._norms_as_read[:, order], starts)

    @cached_property
    def _norms_as_read(self) -> Matrix:
        return np.where(self.nonfinite > 0, np.nan, self.norm)


class Problem(NamedTuple):
    """One problem, and the dumps (rows) that have it; `value` and `message` describe the first of them.

    It concerns a tensor (its column), a layer, a block, or else the whole dump; of a `whole` dump, `tensor` is the one to look
    at. `advice` is the cure, `worst` the value that is farthest from the limit in any of the dumps, the first if None, and
    `brief` says in a few words what that value is.
    """

    dumps: Sequence[int]
    value: float
    limit: float
    message: str
    tensor: int | None = None
    layer: str | None = None
    advice: str = ""
    worst: float | None = None
    brief: str = ""
    block: str | None = None
    whole: bool = False


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


def times(ratio: float) -> str:
    """Format how many times a norm is another: with two digits below 100, with four above.

    >>> times(7.42), times(19.29), times(1234.56)
    ('7.4 x', '19 x', '1235 x')
    """
    return f"{ratio:.2g} x" if ratio < 99.5 else f"{ratio:.4g} x"
