"""Combine the norms of layers into those of blocks, all layers of one number, or of kinds, all layers of any number."""

from collections.abc import Sequence

import numpy as np

from gradclip_cli.inputs.naming import Naming
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.norm_table import GroupName, NormTable


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
    return joined_norms(layers, list(block_names([group.layer for group in layers.groups], naming).values()), p)


def joined_norms(layers: NormTable, names: Sequence[str], p: float) -> NormTable:
    """Return the P-norm of all layers of the same name at each step; `names` has one for each layer.

    It is the table of layers itself where each layer has its own name. A group is absent where all of its layers are.
    """
    own = [group.layer for group in layers.groups]
    place = {name: k for k, name in enumerate(dict.fromkeys(names))}
    if list(names) == own:
        return layers
    block_of = np.array([place[name] for name in names], np.int32)
    order = np.argsort(block_of, kind="stable")
    starts = np.flatnonzero(np.diff(block_of[order], prepend=-1)).tolist()
    norms = group_norms(layers.norms[:, order], starts, p)
    if layers.absent is None:
        return NormTable([GroupName(name) for name in place], norms)
    absent = np.logical_and.reduceat(layers.absent[:, order], starts, axis=1)
    return NormTable([GroupName(name) for name in place], norms, absent)
