"""Tensor name → layer and param; natural order of names; the training step in a path."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from sys import intern
from typing import NamedTuple

from gradclip_cli.errors import UsageError

WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Components that torch.compile, FSDP and activation checkpointing put into names; all have `mod` in them, as DDP's `module` has."""

_NUMBER = re.compile(r"\d+")
_STEP = re.compile(r"(?<![a-z])(?:global_?step|step|iteration|iter|checkpoint|ckpt)[-_= .]?(\d{1,18})", re.IGNORECASE)


class LayerParam(NamedTuple):
    """The layer that a tensor belongs to, and what it is called there (DL4J's param type)."""

    layer: str
    param: str


class Naming(NamedTuple):
    """How names become layers: `regex` (with groups `layer` and `param`) replaces the rules, `depth` keeps the first components."""

    regex: re.Pattern[str] | None = None
    depth: int | None = None

    @classmethod
    def parse(cls, layer_regex: str | None, group_depth: int | None) -> "Naming":
        """Make a naming of what a user gives; at most one of both. Raise UsageError where it cannot be."""
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
        """Name the layer and the param of each tensor of one dump.

        >>> Naming().places(["module.lstm.weight_ih_l0", "dense/dense/kernel:0", "0_W"])
        [LayerParam(layer='lstm', param='weight_ih_l0'), LayerParam(layer='dense', param='kernel'), LayerParam(layer='0', param='W')]
        """
        shared = _shared_prefixes(names)
        return [self._place(name, shared) for name in names]

    def _place(self, name: str, shared: frozenset[str]) -> LayerParam:
        if self.regex is not None:
            found = self.regex.search(name)
            return LayerParam(found["layer"] or "", found["param"] or "") if found else LayerParam(name, "")
        if self.depth is None and "/" not in name and "mod" not in name:
            layer, dot, param = name.rpartition(".")
            if dot:  # most names of most dumps, without looking for wrappers in them
                return LayerParam(layer, intern(param))
        separator, parts = _components(name, shared)
        if len(parts) == 1:
            return LayerParam(parts[0], "")
        keep = len(parts) - 1 if self.depth is None else min(self.depth, len(parts) - 1)
        return LayerParam(separator.join(parts[:keep]), intern(separator.join(parts[keep:])))


def _components(name: str, shared: frozenset[str]) -> tuple[str, list[str]]:
    """Drop the wrappers, and cut a name at the separator of the first rule that fits."""
    if "/" in name:
        parts = _unwrapped(name.split("/"))
        if parts[0] == "params" and len(parts) > 1:
            parts = parts[1:]
        if len(parts) > 2 and parts[0] == parts[1]:
            parts = parts[1:]
        if len(parts) > 2 and parts[-2] == "vars":  # Keras 3 numbers the variables of a layer below this word
            parts = [*parts[:-2], parts[-1]]
        return "/", [*parts[:-1], parts[-1].removesuffix(":0")]
    parts = _unwrapped(name.split("."))
    if parts[0] == "module" and len(parts) > 1:
        parts = parts[1:]
    if len(parts) > 1:
        return ".", parts
    layer, _, param = parts[0].rpartition("_")
    if layer and param and (layer.isdecimal() or layer in shared):
        return "_", [*layer.split("_"), param]
    return "_", parts


def _unwrapped(parts: list[str]) -> list[str]:
    if WRAPPERS.isdisjoint(parts):
        return parts
    kept = [part for part in parts if part not in WRAPPERS]
    return kept or parts


def _shared_prefixes(names: Sequence[str]) -> frozenset[str]:
    """Return what stands before the last `_` of two plain names or more."""
    plain = Counter(name.rpartition("_")[0] for name in set(names) if "/" not in name and "." not in name)
    return frozenset(prefix for prefix, number in plain.items() if number > 1)


def natural(name: str) -> str:
    """Return a sort key that puts `layers.2` before `layers.10`; numbers of any length, compared as numbers."""
    return _NUMBER.sub(_sized, name)


def _sized(number: re.Match[str]) -> str:
    """Write a number behind its length, and both behind what stands before any text."""
    digits = number[0].lstrip("0")
    return f"\0{chr(len(digits))}{digits}"


def step_named(name: str) -> int | None:
    """Read the training step from a name that says nothing else.

    >>> step_named("step100"), step_named("global_step_7"), step_named("lstm_step1")
    (100, 7, None)
    """
    found = _STEP.fullmatch(name) if name[-1:].isdecimal() else None
    return int(found[1]) if found else None


def step_of(path: str) -> int | None:
    """Read the training step from the file's name, or else from its folder's.

    >>> step_of("run/step_00042.npz"), step_of("global_step7/rank0.safetensors"), step_of("grads.npz")
    (42, 7, None)
    """
    folder, name = os.path.split(path)
    for part in (name, os.path.basename(folder)):
        found = _STEP.findall(part)
        if found:
            return int(found[-1])
    return None
