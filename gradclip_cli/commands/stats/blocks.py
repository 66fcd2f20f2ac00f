"""Combine the norms of layers into those of blocks, which are all layers of one number."""

from collections.abc import Sequence

from gradclip_cli.inputs.naming import Naming
from gradclip_cli.thresholds.norm_table import NormTable


def block_names(layers: Sequence[str], naming: Naming) -> dict[str, str]:
    """Return the block of each layer, each given once.

    >>> block_names(["h.0.a", "h.0.b", "lstm"], Naming())
    {'h.0.a': 'h.0', 'h.0.b': 'h.0', 'lstm': 'lstm'}
    """
    return {layer: naming.block(layer) for layer in layers}


def block_norms(layers: NormTable, naming: Naming, p: float) -> NormTable:
    """Return the P-norm of each block at each step, in the order of their first layers.

    It is the table of layers itself where each layer is a block of its own. A block is absent where all of its layers are.
    """
    return layers.joined(list(block_names([group.layer for group in layers.groups], naming).values()), p)
