"""Make the rows of `show` from the statistics of a measured dump: of its tensors, of its blocks, and of all of it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.naming import natural
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.reports.show import ShowBlock, ShowParam, ShowTotal

Floats = NDArray[np.float64]
Row = TypeVar("Row", ShowBlock, ShowParam)

SUMS = (2.0,)
"""What is summed over elements: their squares."""


class Rows(NamedTuple):
    """The rows of a dump, the largest first, but what is not finite before all else."""

    total: ShowTotal
    blocks: list[ShowBlock]
    params: list[ShowParam]


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


def rows_of(dump: MeasuredDump, smallest: Sequence[float], block_of: Callable[[str], str]) -> Rows:
    """Return the rows of a dump; `smallest` holds the smallest |g| above 0 of each of its named tensors, infinite for none."""
    named, least = dump.named, np.array(smallest, np.float64)
    stats = dump.stats.merge_groups(list(named.values()), SUMS)
    places = [dump.places[indices[0]] for indices in named.values()]
    blocks: dict[str, list[int]] = {}
    for k, place in enumerate(places):
        blocks.setdefault(block_of(place.layer), []).append(k)
    total = StatsTable.of({0: stats.total(SUMS)}, len(SUMS)).scaled(stats.scale)
    (whole,) = _figures(total, [least.min(initial=math.inf)], 0.0)
    each = _figures(stats, least, whole.finite_norm)
    of_blocks = _figures(
        stats.merge_groups(list(blocks.values()), SUMS),
        [least[members].min() for members in blocks.values()],
        whole.finite_norm,
    )
    kinds = [_kind(dump, indices) for indices in named.values()]
    elements, norm, finite, _, rms, top, low, zeros, nan, inf = whole
    return Rows(
        ShowTotal(len(named), elements, norm, finite, rms, top, low, zeros, nan, inf),
        _largest_first([ShowBlock(name, len(blocks[name]), *row) for name, row in zip(blocks, of_blocks, strict=True)]),
        _largest_first(
            [
                ShowParam(name, block_of(layer), layer, param, shape, dtype, *row)
                for name, (layer, param), (shape, dtype), row in zip(named, places, kinds, each, strict=True)
            ]
        ),
    )


def no_gradients(dump: MeasuredDump, takes: Callable[[str], bool], block_of: Callable[[str], str]) -> list[ShowParam]:
    """Return the rows of the selected tensors that are no gradients, without figures."""
    left = [index for index in dump.left_out if takes(dump.own_name(index))]
    rows = []
    for index in left:
        spec, place = dump.tensors[index], dump.places[index]
        rows.append(ShowParam(spec.name, block_of(place.layer), *place, *_kind(dump, [index]), spec.size))
    return sorted(rows, key=lambda row: natural(row.name))


def _kind(dump: MeasuredDump, indices: Sequence[int]) -> tuple[tuple[int, ...] | None, str]:
    """Return the shape and the dtype of a tensor, given by its pieces."""
    dtypes = dict.fromkeys(dump.tensors[index].dtype.name for index in indices)
    return dump.shape(indices), "/".join(dtypes)


def _figures(stats: StatsTable, smallest: Floats | Sequence[float], total: float) -> list[_Figures]:
    """Return the figures of each row of statistics; shares are of the norm `total`."""
    norms, counts = stats.norms(0, 2.0), stats.elements - stats.nonfinite
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shares, rms = (norms / total) ** 2, norms / np.sqrt(counts)
    largest = np.where(counts > 0, stats.max_abs, np.inf)
    columns = (stats.elements, stats.as_read(norms), norms, shares, rms, largest, np.asarray(smallest))
    listed = [column.tolist() for column in (*columns, stats.zeros, stats.nan, stats.infinite)]
    return [
        _Figures(elements, norm, finite, _known(share), _known(one), _known(top), _known(low), zeros, nan, inf)
        for elements, norm, finite, share, one, top, low, zeros, nan, inf in zip(*listed, strict=True)
    ]


def _known(value: float) -> float | None:
    """Return None for a figure of no elements."""
    return value if math.isfinite(value) else None


def _largest_first(rows: list[Row]) -> list[Row]:
    """Sort rows: what is not finite first, then by the norm; equal ones keep the order of layers."""
    return sorted(rows, key=lambda row: (not (row.nan or row.inf), -(row.finite_norm or 0.0)))
