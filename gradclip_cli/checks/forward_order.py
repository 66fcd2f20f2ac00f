"""Put tensors in the order in which a forward pass meets them, as far as their names tell.

Files are no guide: safetensors and HDF5 sort tensors by name. The components of names are compared one by one. Of two that
differ, a word that has a place in most models decides (`embed_tokens` < `layers` < `norm` < `lm_head`; `attn` < `mlp`;
`q_proj` < `o_proj`); else the same word with another number (`layers.2` < `layers.10`); else the alphabet, which is a guess.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_USUAL = 5
_PLACES = (
    (0, r"(?<!un)embed|^(wte|wpe|shared|stem|(cls|mask|class)_token|tok_\w+|pos(itions?|itional)?(_\w+)?)$"),
    (1, r"^encoders?$"),
    (2, r"^(input_layernorm|attention_norm|pre_attention\w*|(norm|ln|layer_?norm)_?1)$"),
    (4, r"^(post_attention_layernorm|ffn_norm|pre_feedforward\w*|(norm|ln|layer_?norm)_?2)$"),
    (3, r"attn|attention"),
    (6, r"^(mlp|ffn|feed_?forward|moe|block_sparse_moe|experts|intermediate)$"),
    (7, r"^(wo|o_proj|out_proj|c_proj|proj|down_proj|w2|decoders?)$"),
    (8, r"^(norm|norm_f|ln_f|ln_post|fc_norm|(final_|post_)?layer_?norm|final_norm|post_norm|pooler)$"),
    (9, r"(^|_)head$|^(output|classifier|logits|score|fc|predictions|output_projection|proj_out|unembed\w*)$"),
)
"""The places of words: the first pattern that is found in a component, in lower case, gives its place, or else `_USUAL`.

They are compiled on their first use.
"""

_PARTS = re.compile(r"[./\[\]'\"]+")
_NUMBERS = re.compile(r"([0-9]+)")


class Component(NamedTuple):
    """A component of a name: the place of its word, and its texts and numbers in turn, each number behind its length."""

    place: int
    parts: tuple[tuple[int, str], ...]

    @property
    def texts(self) -> list[str]:
        """The texts without the numbers; the first of several layers of a kind may have none: `dense`, `dense_1`."""
        return [bare for _, text in self.parts[::2] if (bare := text.strip("_"))]


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
    at = next((k for k, (a, b) in enumerate(zip(key, other, strict=False)) if a != b), 0)
    if key[at : at + 1] == other[at : at + 1] or at + 1 == len(key) == len(other) > 1:
        return True
    return key[at].place != other[at].place or key[at].texts == other[at].texts


def rows_need_not_occur(name: str, *, first_matrix: bool = False) -> bool:
    """Whether the rows of a tensor may be those of tokens, positions or other inputs, which need not occur.

    They are where its name says so, and in a matrix of the first layer, whatever its name.

    >>> rows_need_not_occur("embed_tokens.weight"), rows_need_not_occur("lm_head.w"), rows_need_not_occur("w", first_matrix=True)
    (True, False, True)
    """
    return first_matrix or any(one.place == 0 for one in forward_key(name))


class Last(NamedTuple):
    """The last of some tensors in the order of a forward pass; `settled` says whether their names tell that."""

    name: str
    settled: bool


def last_of(names: Sequence[str]) -> Last:
    """Return the last of some tensors."""
    keys = {name: forward_key(name) for name in names}
    last = max(names, key=lambda name: (keys[name], name))
    return Last(last, all(is_settled(keys[last], key) for key in keys.values()))


@lru_cache(4096)
def _component(part: str) -> Component:
    word = part.lower()
    place = next((place for place, pattern in _PLACES if re.search(pattern, word)), _USUAL)
    return Component(place, tuple(_sized(text) if k % 2 else (0, text) for k, text in enumerate(_NUMBERS.split(word))))


def _sized(number: str) -> tuple[int, str]:
    bare = number.lstrip("0")
    return len(bare), bare
