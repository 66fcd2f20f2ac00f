"""Choose the rows of a map: layers in the order of a forward pass, or blocks or neighbours where layers are too many to tell apart."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.forward_order import forward_key
from gradclip_cli.inputs.naming import block_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.tables.grid import layer_name
from gradclip_cli.reports.stats_series import NamedNorms
from gradclip_cli.text import plural
from gradclip_cli.thresholds.norm_table import StepRows

MOST_ROWS = 160
"""Rows of a map at most: more are thinner than the pixels of a screen."""

_LABEL = 17
"""The width of names beside a map, in characters."""

Norms = NDArray[np.float64]


class NormMatrix(NamedTuple):
    """Norms by layer and step (layers × steps), the layers in the order of a forward pass; NaN too where one is absent."""

    layers: Sequence[str]
    norms: Norms
    present: NDArray[np.bool_]

    def of_layers(self, order: Sequence[int]) -> "NormMatrix":
        """Return some layers in another order; itself where the order is the same."""
        if list(order) == list(range(len(self.layers))):
            return self
        return NormMatrix([self.layers[k] for k in order], self.norms[list(order)], self.present[list(order)])


class MapRows(NamedTuple):
    """The rows of a map: row k holds the layers `order[starts[k] : starts[k + 1]]`, the last one all that are left.

    `names` are those of the rows, `labels` the same, short and all different, `noun` says what a row is.
    """

    order: Sequence[int]
    starts: Sequence[int]
    names: Sequence[str]
    labels: Sequence[str]
    noun: str

    @property
    def are_layers(self) -> bool:
        """Whether each row is one layer."""
        return len(self.starts) == len(self.order)

    def layers_of(self, row: int) -> Sequence[int]:
        """Return the layers of a row."""
        return self.order[self.starts[row] : [*self.starts, len(self.order)][row + 1]]


def matrix_of(norms: NamedNorms) -> NormMatrix:
    """Return the norms of a series as arrays."""
    order = sorted(range(len(norms.names)), key=lambda k: forward_key(norms.names[k]))
    values, present = _arrays(norms)
    return NormMatrix(norms.names, values, present).of_layers(order)


def _arrays(norms: NamedNorms) -> tuple[Norms, NDArray[np.bool_]]:
    if isinstance(norms.norms, StepRows):
        table = norms.norms.table
        return np.ascontiguousarray(table.norms.T), np.ascontiguousarray(table.present.T)
    present = np.array([[norm is not None for norm in row] for row in norms.norms], np.bool_)
    return np.array(norms.norms, np.float64), present  # None becomes NaN


def map_rows(
    layers: Sequence[str], *, blocks_are_layers: bool, labels: dict[str, str], most: int = MOST_ROWS
) -> MapRows:
    """Choose rows for some layers: each layer if they are few, else each block, else as many neighbours as it takes.

    >>> found = map_rows(["embed", "h.0.a", "h.0.b", "h.1.a"], blocks_are_layers=False, labels={}, most=3)
    >>> found.names, found.starts, found.noun
    (['embed', 'h.0', 'h.1'], [0, 1, 3], 'block')
    """
    if len(layers) <= most:
        names = [layer_name(layer, labels) for layer in layers]
        return _named([[k] for k in range(len(layers))], names, "layer")
    blocks: dict[str, list[int]] = {}
    for k, layer in enumerate(layers):
        blocks.setdefault(layer if blocks_are_layers else block_of(layer), []).append(k)
    if len(blocks) <= most:
        return _named(blocks.values(), [layer_name(name, labels) for name in blocks], "block")
    size = -(-len(layers) // most)
    groups = [range(start, min(start + size, len(layers))) for start in range(0, len(layers), size)]
    names = [f"{layer_name(layers[group[0]], labels)} to {layer_name(layers[group[-1]], labels)}" for group in groups]
    return _named(groups, names, f"group of {plural(size, 'neighbouring layer')}")


def _named(groups: Iterable[Sequence[int]], names: list[str], noun: str) -> MapRows:
    several = list(groups)
    starts = np.cumsum([0, *(len(group) for group in several)])[:-1].tolist()
    short = shortened(names, _LABEL)
    if len(set(short)) < len(short):  # names that differ only in what does not print
        short = [f"{name} #{k}" for k, name in enumerate(short, 1)]
    return MapRows([k for group in several for k in group], starts, names, short, noun)
