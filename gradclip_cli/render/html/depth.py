"""Say how deep in a network each layer is: which block it belongs to, and which kind of layer it is there."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.checks.forward_order import forward_key
from gradclip_cli.inputs.naming import block_of

_NUMBER = re.compile(r"(?<![^./:_])\d+(?=[./:_]|$)")
_LAST_NUMBER = re.compile(r"\d+$")


class Depth(NamedTuple):
    """A layer in a block of a number: its index among all layers, the block, its place in the network, and its kind.

    Layers of one kind have the same name within their blocks, but for components that are numbers, of which `*` takes the place.
    """

    layer: int
    block: str
    place: int
    kind: str


def depths(layers: Sequence[str]) -> list[Depth]:
    """Return the layers that stand in numbered blocks, in the order of a forward pass.

    The place of a block is its number where all have the same name but for that, else a running number.

    >>> [(one.place, one.kind) for one in depths(["h.2.mlp.w1", "h.1.attn", "h.1.experts.7.w1", "head"])]
    [(1, 'attn'), (1, 'experts.*.w1'), (2, 'mlp.w1')]
    >>> [(one.place, one.kind) for one in depths(["encoder.0.ff", "decoder.0.ff"])]
    [(0, 'ff'), (1, 'ff')]
    """
    blocks = {k: block_of(layer) for k, layer in enumerate(layers)}
    numbered = {k: block for k, block in blocks.items() if _LAST_NUMBER.search(block)}
    order = sorted(set(numbered.values()), key=forward_key)
    alike = len({_LAST_NUMBER.sub("", block) for block in order}) == 1
    place = {block: int(_LAST_NUMBER.findall(block)[0][:9]) if alike else k for k, block in enumerate(order)}
    found = [Depth(k, block, place[block], _kind(layers[k], block)) for k, block in numbered.items()]
    return sorted(found, key=lambda one: (one.place, forward_key(layers[one.layer])))


def _kind(layer: str, block: str) -> str:
    return _NUMBER.sub("*", layer[len(block) :].lstrip("./:_")) or _LAST_NUMBER.sub("*", block)
