"""Put tensors in the order in which a forward pass meets them, as far as their names tell.

Files are no guide: safetensors and HDF5 sort tensors by name. The components of names are compared one by one. Of two that
differ, a word that has a place in most models decides (`embed_tokens` < `layers` < `norm` < `lm_head`; `attn` < `mlp`;
`q_proj` < `o_proj`); else the same word with another number (`layers.2` < `layers.10`); else the alphabet, which is a guess.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

_USUAL = 5
_PLACES: tuple[tuple[int, str], ...] = (
    (0, r"embed|^(wte|wpe|shared|stem|cls_token|mask_token|tok_\w+|pos_\w+)$"),
    (1, r"^encoders?$"),
    (2, r"^(input_layernorm|attention_norm|pre_attention\w*|(norm|ln|layer_?norm)_?1)$"),
    (3, r"attn|attention"),
    (4, r"^(post_attention_layernorm|ffn_norm|pre_feedforward\w*|(norm|ln|layer_?norm)_?2)$"),
    (6, r"^(mlp|ffn|feed_?forward|moe|block_sparse_moe|experts|intermediate)$"),
    (7, r"^([ow]o|o_proj|out_proj|c_proj|proj|down_proj|w2|output|decoders?)$"),
    (8, r"^(norm|ln_f|norm_f|ln_post|fc_norm|(final|post)_?(layer_?)?norm|pooler|layer_?norm)$"),
    (9, r"^(\w*head|classifier|logits|score|fc|predictions|output_projection|proj_out|unembed\w*)$"),
)
"""The places of words: the first pattern that is found in a component, in lower case, gives its place, or else `_USUAL`."""

_PARTS = re.compile(r"[./\[\]'\"]+")
_NUMBERS = re.compile(r"([0-9]+)")


class Component(NamedTuple):
    """A component of a name: the place of its word, and its texts and numbers in turn, each number behind its length."""

    place: int
    parts: tuple[tuple[int, str], ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts without the numbers; the first of several layers of a kind may have none: `dense`, `dense_1`."""
        return tuple(text for _, text in self.parts[::2] if text.strip("_")) and tuple(
            text.strip("_") for _, text in self.parts[::2] if text.strip("_")
        )


ForwardKey = tuple[Component, ...]


def forward_key(name: str) -> ForwardKey:
    """Return a key that sorts tensors in the order of a forward pass.

    >>> sorted(["lm_head.w", "norm.w", "layers.10.mlp.w", "layers.2.mlp.w", "layers.2.attn.w", "embed.w"], key=forward_key)
    ['embed.w', 'layers.2.attn.w', 'layers.2.mlp.w', 'layers.10.mlp.w', 'norm.w', 'lm_head.w']
    """
    return tuple(_component(part) for part in _PARTS.split(name) if part)


def is_settled(key: ForwardKey, other: ForwardKey) -> bool:
    """Whether names tell which of two tensors comes first, or that both are of one module; else the alphabet decides.

    >>> is_settled(forward_key("layers.2.w"), forward_key("layers.10.w")), is_settled(forward_key("a.w"), forward_key("b.w"))
    (True, False)
    """
    pair = next(((a, b) for a, b in zip(key, other, strict=False) if a != b), None)
    if pair is None or (len(key) == len(other) and key[:-1] == other[:-1] and len(key) > 1):
        return True
    return pair[0].place != pair[1].place or pair[0].texts == pair[1].texts


def block_length(key: ForwardKey) -> int:
    """Return how many components name the block of a tensor: up to and with the first that is or ends in a number, or all but the last."""
    numbered = (k for k, one in enumerate(key, 1) if one.parts[-1][0] == 0 and len(one.parts) > 1 and not one.parts[-1][1])
    return min(next(numbered, len(key)), max(1, len(key) - 1))


def last_of(names: Sequence[str]) -> tuple[str, bool]:
    """Return the last of some tensors, and whether their names settle that."""
    keys = {name: forward_key(name) for name in names}
    last = max(names, key=lambda name: (keys[name], name))
    return last, all(is_settled(keys[last], keys[name]) for name in names)


def reaches_back(bad: Iterable[str], every: Iterable[str], last: str) -> bool:
    """Whether all tensors of the blocks before that of `last` are among the `bad` ones."""
    end, taken = forward_key(last), set(bad)
    end = end[: block_length(end)]
    return all(name in taken for name in every if forward_key(name)[: len(end)] < end)


@cache
def _component(part: str) -> Component:
    word = part.lower()
    place = next((place for place, pattern in _PLACES if re.search(pattern, word)), _USUAL)
    pieces = _NUMBERS.split(word)
    return Component(place, tuple((len(text.lstrip("0")), text.lstrip("0")) if k % 2 else (0, text) for k, text in enumerate(pieces)))
