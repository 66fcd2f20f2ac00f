"""Read layer and param from tensor names; sort names in natural order."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from sys import intern
from typing import NamedTuple

from gradclip_cli.errors import UsageError
from gradclip_cli.notes import Note
from gradclip_cli.text import printable

WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Components that torch.compile, FSDP and activation checkpointing add to names; like DDP's `module`, all contain `mod`."""

_WRAPPER = re.compile(rf"(?<![^./])(?:module|{'|'.join(sorted(WRAPPERS))})[./]")
"""A wrapper in the name of a tensor, as a whole component that is not the last."""

_NUMBER = re.compile(r"\d+")
_NUMBERED = re.compile(r"(?:(?<=[./_:])|^)\d+(?=[./:]|$)")
"""A component of a layer's name that is a number, or that ends in one after `_`."""
_ENDS_IN_NUMBER = re.compile(r"\d+(?=[./:]|$)")
# Patterns that few names need are compiled on their first use.
_KEYS = r"\[['\"]?([^\]'\"]*)['\"]?\]|([^.\[\]]+)"
_SEPARATOR = r":{2,}|->|[,|@#]"
"""What some programs put between the components of a name, where neither `/` nor `.` is in it."""
_WORD = r"\w+"


class LayerParam(NamedTuple):
    """The layer of a tensor, and its name within that layer (DL4J's param type)."""

    layer: str
    param: str


class Naming(NamedTuple):
    """How names are split into layer and param: by rules, by `regex` (groups `layer` and `param`), or after `depth` components."""

    regex: re.Pattern[str] | None = None
    depth: int | None = None

    @classmethod
    def parse(cls, layer_regex: str | None, group_depth: int | None) -> "Naming":
        """Make a naming from the values of --layer-regex and --group-depth; raise UsageError for both or for a bad one."""
        if group_depth is not None and group_depth < 1:
            raise UsageError("--group-depth must be at least 1")
        if layer_regex is None:
            return cls(None, group_depth)
        if group_depth is not None:
            raise UsageError("--layer-regex and --group-depth exclude each other")
        try:
            regex = re.compile(layer_regex)
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(f"--layer-regex {layer_regex!r} is no regular expression: {error}") from error
        if not {"layer", "param"} <= regex.groupindex.keys():
            raise UsageError("--layer-regex needs the groups (?P<layer>...) and (?P<param>...)")
        return cls(regex)

    def places(self, names: Sequence[str]) -> list[LayerParam]:
        """Return the layer and param of each tensor of one dump.

        >>> Naming().places(["module.lstm.weight_ih_l0", "dense/dense/kernel:0", "0_W"])
        [LayerParam(layer='lstm', param='weight_ih_l0'), LayerParam(layer='dense', param='kernel'), LayerParam(layer='0', param='W')]
        """
        return list(self.placed(names))

    def placed(self, names: Sequence[str]) -> Iterator[LayerParam]:
        """Yield the layer and param of each tensor of one dump."""
        shared = _shared_prefixes(names)
        if self.regex is not None or self.depth is not None or _is_unusual("\n".join(names)):
            return (self._place(name, shared) for name in names)
        split = (name.rpartition(".") for name in names)
        return (LayerParam(layer, intern(param)) if dot else self._place(param, shared) for layer, dot, param in split)

    def block(self, layer: str) -> str:
        """Return the block of a layer: the layer itself where a regex or a depth says what a layer is."""
        return layer if self.regex is not None or self.depth is not None else block_of(layer)

    def is_settled(self, name: str) -> bool:
        """Whether the layer of a tensor follows from its name alone, whatever other tensors the dump has.

        >>> Naming().is_settled("lstm.weight"), Naming().is_settled("0_W"), Naming().is_settled("lstm_W")
        (True, True, False)
        """
        if self.regex is not None or "/" in name or "." in _unwrapped_name(name):
            return True
        prefix = name.rpartition(".")[2].rpartition("_")[0]
        return self._place(name, frozenset()) == self._place(name, frozenset([prefix]))

    def _place(self, name: str, shared: frozenset[str]) -> LayerParam:
        if self.regex is not None:
            found = self.regex.search(name)
            return LayerParam(found["layer"] or "", found["param"] or "") if found else LayerParam(name, "")
        if self.depth is None and "/" not in name and "['" not in name and _is_bare(name):
            layer, dot, param = name.rpartition(".")
            if dot:  # the usual case
                return LayerParam(layer, intern(param))
        separator, parts = _components(name, shared)
        if len(parts) == 1:
            return LayerParam(parts[0], "")
        keep = len(parts) - 1 if self.depth is None else min(self.depth, len(parts) - 1)
        return LayerParam(separator.join(parts[:keep]), intern(separator.join(parts[keep:])))


def block_of(layer: str) -> str:
    """Return the block of a layer: its name up to and with its first number; a name without a number is its own block.

    A component that is a number comes before one that ends in a number.

    >>> block_of("model.layers.9.mlp.down_proj"), block_of("wav2vec2.encoder.layers.3.ff"), block_of("dense_1/cell")
    ('model.layers.9', 'wav2vec2.encoder.layers.3', 'dense_1')
    >>> block_of("lstm"), block_of("0")
    ('lstm', '0')
    """
    found = _NUMBERED.search(layer) or _ENDS_IN_NUMBER.search(layer)
    return layer[: found.end()] if found else layer


def kind_of(layer: str) -> str:
    """Return the kind of a layer: its name with its numbers taken out.

    Components that are numbers come before those that end in one.

    >>> kind_of("model.layers.9.self_attn.q_proj"), kind_of("wav2vec2.encoder.layers.3.ff"), kind_of("dense_1/cell")
    ('model.layers.*.self_attn.q_proj', 'wav2vec2.encoder.layers.*.ff', 'dense_*/cell')
    >>> kind_of("lstm"), kind_of("conv2")
    ('lstm', 'conv*')
    """
    return (_NUMBERED if _NUMBERED.search(layer) else _ENDS_IN_NUMBER).sub("*", layer)


def blocks_are_layers(layers: Sequence[str], naming: Naming) -> bool:
    """Return whether each of several layers, each given once, is a block of the same name.

    >>> blocks_are_layers(["embedding", "lstm"], Naming()), blocks_are_layers(["h.0.a", "h.1.a"], Naming())
    (True, False)
    """
    return all(naming.block(layer) == layer for layer in layers)


def block_noun(layers: Sequence[str], naming: Naming) -> str:
    """Return what the blocks of these layers are called: layers where each is a block of its own, and blocks otherwise."""
    return "layer" if blocks_are_layers(layers, naming) else "block"


def _components(name: str, shared: frozenset[str]) -> tuple[str, list[str]]:
    """Drop wrappers, and split a name by the first rule that fits; return the separator and the components."""
    if "/" in name:
        parts = _without_params(_unwrapped(name.split("/")))
        if len(parts) > 2 and parts[0] == parts[1]:
            parts = parts[1:]
        if len(parts) > 2 and parts[-2] == "vars":  # Keras 3 puts the variables of a layer into this group
            parts = [*parts[:-2], parts[-1]]
        return "/", [*parts[:-1], parts[-1].removesuffix(":0")]
    if "['" in name:  # as JAX writes the path of a leaf
        return "/", _without_params([key or attribute for key, attribute in re.findall(_KEYS, name)])
    parts = _unwrapped(name.split("."))
    if parts[0] == "module" and len(parts) > 1:
        parts = parts[1:]
    if len(parts) > 1:
        return ".", parts
    if found := re.search(_SEPARATOR, name):
        return found[0], _without_params(_unwrapped(name.split(found[0])))
    layer, _, param = parts[0].rpartition("_")
    if layer and param and re.fullmatch(_WORD, layer) and (layer.isdecimal() or layer in shared):
        return "_", [*layer.split("_"), param]
    return "_", parts


def _is_unusual(names: str) -> bool:
    """Return whether any of some names may need more than a cut at its last dot."""
    return "/" in names or "['" in names or "mod" in names


def _is_bare(name: str) -> bool:
    """Return whether there is no wrapper in a name without `/`."""
    return "mod" not in name or (WRAPPERS.isdisjoint(name.split(".")) and not name.startswith("module."))


def _without_params(parts: list[str]) -> list[str]:
    return parts[1:] if parts[0] == "params" and len(parts) > 1 else parts


def _unwrapped(parts: list[str]) -> list[str]:
    if WRAPPERS.isdisjoint(parts):
        return parts
    kept = [part for part in parts if part not in WRAPPERS]
    return kept or parts


def _shared_prefixes(names: Sequence[str]) -> frozenset[str]:
    """Return the prefixes before the last `_` that two or more names without `.` and `/` share."""
    flat = {name for name in names if "/" not in name and "." not in name}
    plain = Counter(name.rpartition("_")[0] for name in flat)
    return frozenset(prefix for prefix, number in plain.items() if number > 1)


def identities(names: Sequence[str]) -> Sequence[str]:
    """Return names without the wrappers of training tools; `names` itself if two of them would be equal then.

    >>> identities(["module.lstm.weight", "_orig_mod.head._checkpoint_wrapped_module.bias"])
    ['lstm.weight', 'head.bias']
    """
    found = [_unwrapped_name(name) for name in names]
    return found if len(set(found)) == len(set(names)) else names


def other_names(known: Collection[str], names: Collection[str]) -> dict[str, str]:
    """Return those of `names` that only wrappers distinguish from known ones, each with the known name.

    Empty if either of the two would have equal names without wrappers.

    >>> other_names(["lstm.weight", "head.bias"], ["module.lstm.weight", "head.bias"])
    {'module.lstm.weight': 'lstm.weight'}
    """
    of = {_unwrapped_name(name): name for name in known}
    own = {_unwrapped_name(name): name for name in names}
    if len(of) < len(known) or len(own) < len(names):
        return {}
    return {name: of[bare] for bare, name in own.items() if of.get(bare, name) != name}


def wrappers_note(path: str, name: str, known: str) -> Note:
    """Say that names differ in wrappers only, with an example."""
    what = f"{printable(name)} is taken for {printable(known)}, since only wrappers of training tools differ"
    return Note("wrappers", f"{path}: {what}")


def _unwrapped_name(name: str) -> str:
    return _WRAPPER.sub("", name) or name if "mod" in name else name


def natural(name: str) -> str:
    """Return a sort key that compares numbers of any length as numbers: `layers.2` comes before `layers.10`."""
    return _NUMBER.sub(_sized, name)


def _sized(number: re.Match[str]) -> str:
    """Put the number's length before it, and NUL before both, so that numbers sort by value and before text."""
    digits = number[0].lstrip("0")
    return f"\0{chr(len(digits))}{digits}"
