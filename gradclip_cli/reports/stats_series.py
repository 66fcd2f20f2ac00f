"""The norms of blocks and layers step by step, in the report of `stats`."""

from collections.abc import Sequence
from typing import NamedTuple

LAYER, BLOCK, KIND = BY = ("layer", "block", "kind")
"""What norms may be of: layers, blocks, or kinds of modules."""


class NamedNorms(NamedTuple):
    """Norms by name and step: a row for each name, a column for each step, None where a dump has nothing of it."""

    names: Sequence[str]
    norms: Sequence[Sequence[float | None]]


class NormSeries(NamedTuple):
    """The norms of a series, step by step; `steps` are those of `dumps`, in their order.

    `blocks` is None where each layer is a block of its own. A part that a view leaves out is None, too.
    """

    steps: Sequence[int | None]
    blocks: NamedNorms | None
    layers: NamedNorms | None

    @property
    def size(self) -> int:
        """The number of norms."""
        return len(self.steps) * sum(len(part.names) for part in (self.blocks, self.layers) if part)


class BesideWeights(NamedTuple):
    """The L2 norms of layers and of their weights, step by step."""

    norms: NamedNorms
    weights: NamedNorms


class LayerStep(NamedTuple):
    """The norm of one layer in one dump, None where the dump has nothing of it."""

    input: str | list[str]
    step: int | None
    layer: str
    norm: float | None


class KindStep(NamedTuple):
    """The norm of one kind of module in one dump, None where the dump has nothing of it."""

    input: str | list[str]
    step: int | None
    kind: str
    norm: float | None


class BlockStep(NamedTuple):
    """The norm of one block in one dump, None where the dump has nothing of it."""

    input: str | list[str]
    step: int | None
    block: str
    norm: float | None
