"""Make the rows of `show` from the statistics of a measured dump: of its tensors, of its blocks, and of all of it."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.naming import kind_of, natural
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.reports.ratios import Ratio
from gradclip_cli.reports.show import ShowBlock, ShowKind, ShowParam, ShowTotal

Floats = NDArray[np.float64]
Row = TypeVar("Row")

SUMS = (2.0,)
"""What is summed over elements: their squares."""


class Rows(NamedTuple):
    """The rows of a dump, the largest first, but what is not finite before all else; they are made on access."""

    total: ShowTotal
    blocks: Sequence[ShowBlock]
    params: Sequence[ShowParam]
    kinds: Sequence[ShowKind]


class _Figures(NamedTuple):
    """The figures of a tensor or of a block, under the names that they have in reports."""

    elements: int
    norm: float
    finite_norm: float
    share: float | None
    rms: float | None
    max_abs: float | None
    min_abs: float | None
    zeros: int
    nan: int
    inf: int


class _Table:
    """The figures of rows of statistics in columns; shares are of the norm `total`."""

    def __init__(self, stats: StatsTable, smallest: Floats | Sequence[float], total: float) -> None:
        norms, counts = stats.norms(0, 2.0), stats.elements - stats.nonfinite
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            shares, rms = (norms / total) ** 2, norms / np.sqrt(counts)
        largest = np.where(counts > 0, stats.max_abs, np.inf)
        columns = (stats.elements, stats.as_read(norms), norms, shares, rms, largest, np.asarray(smallest))
        self._columns: list[NDArray[Any]] = [*columns, stats.zeros, stats.nan, stats.infinite]
        self._norms, self._broken = norms, stats.nonfinite > 0

    def row(self, k: int) -> _Figures:
        """Return the figures of a row."""
        elements, norm, finite, share, rms, top, low, zeros, nan, inf = (column.item(k) for column in self._columns)
        return _Figures(elements, norm, finite, _known(share), _known(rms), _known(top), _known(low), zeros, nan, inf)

    def largest_first(self) -> list[int]:
        """Sort rows: what is not finite first, then by the norm; equal ones keep the order of layers."""
        order: list[int] = np.lexsort((-self._norms, ~self._broken)).tolist()
        return order


class Beside(NamedTuple):
    """The norms of the weights beside the named tensors of a dump, None where there are none, and the learning rate if it is known."""

    norms: Sequence[float | None]
    lr: float | None = None

    def of(self, members: Sequence[int], norm: float, each: Floats) -> Ratio:
        """Return the figures of some of the tensors, whose gradients have this norm; `each` has that of every tensor.

        Gradients without a weight are left out of both norms.
        """
        pairs = [(each.item(k), weight) for k in members if (weight := self.norms[k]) is not None]
        if not pairs:
            return Ratio()
        norm = norm if len(pairs) == len(members) else math.hypot(*(own for own, _ in pairs))
        weight = math.hypot(*(one for _, one in pairs))
        ratio = norm / weight if weight and math.isfinite(weight) else math.nan
        return Ratio.of(weight, _known(ratio), self.lr)


def rows_of(
    dump: MeasuredDump, smallest: Sequence[float], block_of: Callable[[str], str], beside: Beside | None = None
) -> Rows:
    """Return the rows of a dump; `smallest` holds the smallest |g| above 0 of each of its named tensors, infinite for none."""
    names, members, least = list(dump.named), list(dump.named.values()), np.array(smallest, np.float64)
    stats = dump.stats.merge_groups(members, SUMS)
    layers = [dump.places[indices[0]].layer for indices in members]
    total = StatsTable.of({0: stats.total(SUMS)}, len(SUMS)).scaled(stats.scale)
    whole = _Table(total, [least.min(initial=math.inf)], 0.0).row(0)
    each, norms = _Table(stats, least, whole.finite_norm), stats.as_read(stats.norms(0, 2.0))

    def ratio(members: Sequence[int], figures: _Figures) -> Ratio:
        return Ratio() if beside is None else beside.of(members, figures.norm, norms)

    def joined_by(name_of: Callable[[str], str], row: Callable[..., Row]) -> Sequence[Row]:
        """Return the rows of layers of the same name, together."""
        found: dict[str, list[int]] = {}
        for k, layer in enumerate(layers):
            found.setdefault(name_of(layer), []).append(k)
        low = [least[columns].min() for columns in found.values()]
        table, joined_names = (
            _Table(stats.merge_groups(list(found.values()), SUMS), low, whole.finite_norm),
            list(found),
        )

        def make(k: int) -> Row:
            inside, figures = found[joined_names[k]], table.row(k)
            return row(joined_names[k], len(inside), *figures, *ratio(inside, figures))

        return LazyRows(make, table.largest_first())

    def param(k: int) -> ShowParam:
        (layer, last), (shape, dtype) = dump.places[members[k][0]], _kind(dump, members[k])
        row = each.row(k)
        return ShowParam(names[k], block_of(layer), layer, last, shape, dtype, *row, *ratio([k], row))

    elements, norm, finite, _, rms, top, low, zeros, nan, inf = whole
    return Rows(
        ShowTotal(len(names), elements, norm, finite, rms, top, low, zeros, nan, inf, *ratio(range(len(names)), whole)),
        joined_by(block_of, ShowBlock),
        LazyRows(param, each.largest_first()),
        joined_by(kind_of, ShowKind),
    )


def no_gradients(
    dump: MeasuredDump, takes: Callable[[str], bool], block_of: Callable[[str], str]
) -> Sequence[ShowParam]:
    """Return the rows of the selected tensors that are no gradients, without figures."""

    def param(index: int) -> ShowParam:
        spec, place = dump.tensors[index], dump.places[index]
        return ShowParam(spec.name, block_of(place.layer), *place, *_kind(dump, [index]), spec.size)

    left = [index for index in dump.left_out if takes(dump.own_name(index))]
    return LazyRows(param, sorted(left, key=lambda index: natural(dump.tensors[index].name)))


def joined(first: Sequence[ShowParam], others: Sequence[ShowParam]) -> Sequence[ShowParam]:
    """Return the rows of `first`, followed by the others."""
    count = len(first)
    return LazyRows(lambda k: first[k] if k < count else others[k - count], range(count + len(others)))


def _kind(dump: MeasuredDump, indices: Sequence[int]) -> tuple[tuple[int, ...] | None, str]:
    """Return the shape and the dtype of a tensor, given by its pieces."""
    dtypes = dict.fromkeys(dump.tensors[index].dtype.name for index in indices)
    return dump.shape(indices), "/".join(dtypes)


def _known(value: float) -> float | None:
    """Return None for a figure of no elements."""
    return value if math.isfinite(value) else None
