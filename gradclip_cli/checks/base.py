"""Define what a check is given (figures for each dump and tensor, no elements) and what it returns (problems)."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.limits import Limits
from gradclip_cli.lazy_rows import Coded, LazyRows, Zipped
from gradclip_cli.numerics.first_nonfinite import Nonfinite
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from gradclip_cli.thresholds.samples import Mask, Matrix

_ALIKE = 1e-4
"""What 1 - cosine² of two gradients must be at least for them to differ in more than the rounding of bfloat16."""

_RELEVANT = (0.01, 0.05)
"""From what share of a dump's square on a layer matters: from twice an equal share, within these bounds."""


class Tensor(NamedTuple):
    """A tensor of the series; `param` is its name within its layer, `dtype` that of its stored elements."""

    name: str
    layer: str
    param: str
    dtype: str = ""
    block: str = ""


class ManyTensors(LazyRows[Tensor]):
    """The tensors of a series as columns, in the order of the fields of `Tensor`; each is made on access."""

    def __init__(self, *columns: Sequence[str]) -> None:
        self.columns = dict(zip(Tensor._fields, columns, strict=False))
        super().__init__(
            Tensor._make, Zipped(*columns, *[Coded([""], np.zeros(len(columns[0]), np.int8))] * (5 - len(columns)))
        )

    def take(self, rows: NDArray[np.int64]) -> "ManyTensors":
        """Return some of the tensors."""
        at = rows.tolist()
        taken = [
            one[rows] if isinstance(one, Coded) else list(map(one.__getitem__, at)) for one in self.columns.values()
        ]
        return ManyTensors(*taken)


def column_of(tensors: Sequence[Tensor], field: str) -> Sequence[str]:
    """Return one field of all tensors."""
    return tensors.columns[field] if isinstance(tensors, ManyTensors) else [getattr(one, field) for one in tensors]


class Follow(NamedTuple):
    """How the tensor of dump `row` follows from those of the two dumps before: the L2 norms of the three, the oldest first.

    `cosine` is that of the last two, `before` that of the first two, `apart` that of the first and the last.
    """

    row: int
    norms: tuple[float, float, float]
    cosine: float
    before: float
    apart: float

    @property
    def increment(self) -> float:
        """The L2 norm of the difference of the last two."""
        top = max(self.norms[1:])
        a, b = (norm / top for norm in self.norms[1:])
        return top * math.sqrt(max(0.0, a * a + b * b - 2 * a * b * self.cosine))

    @property
    def kept(self) -> float:
        """How much of the gradient before is in this one: its projection, as a share of the gradient before."""
        return self.cosine * self.norms[2] / self.norms[1]

    @property
    def older(self) -> float:
        """How much the oldest says of the last one beside the one between: the ratio of their coefficients by least squares.

        0 for a sum of independent gradients, at least 1 for gradients of one direction with noise, and -inf where the first two
        are of one direction, so that nothing can be told.
        """
        if 1 - self.before**2 < _ALIKE:
            return -math.inf
        between = self.cosine - self.before * self.apart
        oldest = (self.apart - self.before * self.cosine) * self.norms[1] / self.norms[0]
        return oldest / between if between > 0 else math.inf


class Baseline(NamedTuple):
    """The norms of a run that went well (dumps × tensors, NaN where an element is not finite), and the steps of its dumps.

    `columns` holds the column of each tensor, by layer and param; `label` names the run in messages.
    """

    label: str
    steps: Sequence[int | None]
    columns: Mapping[tuple[str, str], int]
    norms: Matrix
    whole: Matrix | None = None  # the norms of its dumps, where these are to be compared as a whole


@dataclass(frozen=True)
class Figures:
    """The figures of a series: float64 matrices, dumps × tensors, with 0 where a dump lacks a tensor.

    `max_abs`, `norm` (L2) and `mass` (Σ|g|) are over the finite elements. `same` is 1 where a tensor has the same values as in
    the dump before. `small` and `large` have one matrix for each of `dtypes`: how many values are not 0 but would be 0 or
    subnormal in that dtype, and how many finite ones would overflow. `firsts` has the first element that is not finite by dump
    and tensor, at least for the first dump of each tensor that has any. Tensors are in natural order. `follows` holds, for the
    columns whose norms looked as if gradients were added up, how their tensors follow from those of the two dumps before.
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
    steps: Sequence[int | None] = ()
    follows: Mapping[int, Sequence[Follow]] = field(default_factory=dict)
    baseline: Baseline | None = None
    firsts: Mapping[tuple[int, int], Nonfinite] = field(default_factory=dict)
    noun: str = "dump"  # what a row is called
    weights: Matrix | None = None  # their L2 norms, dumps × tensors: NaN for none, infinite where one is not finite

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
        return list(dict.fromkeys(column_of(self.tensors, "layer")))

    @cached_property
    def layer_of(self) -> NDArray[np.intp]:
        """The index in `layers` of the layer of each tensor."""
        place = {layer: k for k, layer in enumerate(self.layers)}
        return np.array([place[layer] for layer in column_of(self.tensors, "layer")], np.intp)

    @cached_property
    def layers_there(self) -> Mask:
        """Which layers have any elements in each dump (dumps × layers)."""
        return self._there(self.layer_of, len(self.layers))

    @cached_property
    def layer_norms(self) -> Matrix:
        """The L2 norm of each layer in each dump (dumps × layers); NaN if any element is not finite."""
        return self._norms_of(self.layer_of)

    @property
    def relevant(self) -> float:
        """The least share of a dump's square from which a layer matters to it."""
        least, most = _RELEVANT
        return min(most, max(least, 2 / max(1, len(self.layers))))

    @cached_property
    def blocks(self) -> NormTable:
        """The L2 norm of each block in each dump; NaN if any element is not finite."""
        pairs = zip(column_of(self.tensors, "block"), column_of(self.tensors, "layer"), strict=True)
        names = [block or layer for block, layer in pairs]
        place = {name: k for k, name in enumerate(dict.fromkeys(names))}
        of = np.array([place[name] for name in names], np.intp)
        return NormTable([GroupName(name) for name in place], self._norms_of(of), ~self._there(of, len(place)))

    @cached_property
    def dump_norms(self) -> Matrix:
        """The L2 norm of each dump; NaN if any element is not finite."""
        if not self.tensors:
            return np.zeros(len(self.dumps))
        return group_norms(self.norms_as_read, [0])[:, 0]

    def _there(self, of: NDArray[np.intp], groups: int) -> Mask:
        found = np.zeros((groups, len(self.dumps)), np.bool_)
        np.logical_or.at(found, of, self.elements.T > 0)
        return found.T

    def _norms_of(self, of: NDArray[np.intp]) -> Matrix:
        """Return the norms of groups of tensors (dumps × groups), given the group of each tensor."""
        order = np.argsort(of, kind="stable")
        starts = np.flatnonzero(np.diff(of[order], prepend=-1)).tolist()
        return group_norms(self.norms_as_read[:, order], starts)

    @cached_property
    def norms_as_read(self) -> Matrix:
        """The L2 norm of each tensor in each dump (dumps × tensors); NaN if any element is not finite."""
        return np.where(self.nonfinite > 0, np.nan, self.norm)


class Problem(NamedTuple):
    """One problem, and the dumps (rows) that have it; `value` and `message` describe the first of them.

    It concerns a tensor (its column), a layer, a block, or else the whole dump; of a `whole` dump, `tensor` is the one to look
    at. `advice` is the cure, `worst` the value that is farthest from the limit in any of the dumps, the first if None, `brief`
    says in a few words what that value is, and `cause` where it comes from, if that is more. `place` is the index of its first
    element, `slices` are indices along axis 0 of the tensor, as text. A `dated` message says itself in which dumps it is.
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
    cause: str = ""
    block: str | None = None
    whole: bool = False
    dated: bool = False
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
