"""Take files apart along axis 0: logs that grow by a slice each step, and gradients of each sample; and say what slices are."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.notes import Note
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import printable, shortlist

_GRADIENT = ("g", "grad", "grads", "gradient", "gradients")
_OTHER = ("p", "lr", "param", "params", "weight", "weights", "data", "momentum")
_SAMPLES = "grad_sample"
_ROLE = rf"(?s)(?P<base>.+)(?P<ending>[_./](?P<role>{'|'.join((*_GRADIENT, *_OTHER))}))"
_MOST = 20_000_000
"""The most slices of tensors in a file; the statistics of so many take some gigabytes."""


def slice_word(name: str, axes: int) -> str:
    """Return the word for one slice of a tensor: an expert of stacked experts, or the row of a matrix.

    >>> slice_word("layers.0.experts.gate_up_proj", 3), slice_word("embed.weight", 2), slice_word("conv.weight", 4)
    ('expert', 'row', 'slice')
    """
    if axes > 2 and "expert" in name.lower():
        return "expert"
    return "row" if axes == 2 else "slice"


class Ending(NamedTuple):
    """What the name of a tensor ends in, and the rest of it; `ending` is empty if it is not known as a role."""

    base: str
    ending: str
    is_gradient: bool


def ending_of(name: str) -> Ending:
    """Split a name at the role of its tensor.

    >>> ending_of("lstm_g"), ending_of("lstm.kernel")
    (Ending(base='lstm', ending='_g', is_gradient=True), Ending(base='lstm.kernel', ending='', is_gradient=False))
    """
    found = re.fullmatch(_ROLE, name)
    return Ending(found["base"], found["ending"], found["role"] in _GRADIENT) if found else Ending(name, "", False)


def slice_count(specs: Sequence[TensorSpec], path: str) -> int:
    """Return the length of axis 0 of all `specs`, the gradients in a file; raise InputError if they have no common one."""
    if flaw := _no_slices(specs):
        raise InputError(flaw, path=path)
    return specs[0].shape[0]


def _no_slices(specs: Sequence[TensorSpec]) -> str:
    """Say why tensors cannot be taken apart along axis 0; empty if they can."""
    if scalars := [spec.name for spec in specs if not spec.shape]:
        return f"--along 0 needs an axis 0, which {shortlist(scalars, 4)} has not; leave it out with --exclude"
    lengths: dict[int, str] = {}
    for spec in specs:
        lengths.setdefault(spec.shape[0], spec.name)
    if len(lengths) > 1:
        each = ", ".join(f"{printable(name)} has {length:,}" for length, name in list(lengths.items())[:4])
        return f"--along 0 needs one length of axis 0, but {each}; choose with --include or --exclude"
    if turned := [spec.name for spec in specs if spec.fortran and len(spec.shape) > 1]:
        what = f"is in column-major order, so that its slices along axis 0 do not lie together: {shortlist(turned, 4)}"
        return f"{what}; save it in C order, as numpy.ascontiguousarray gives it"
    (count,) = lengths
    if not count:
        return "has no slice along axis 0 yet: its length is 0; leave out --along"
    if count * len(specs) > _MOST:
        return f"has {count:,} slices along axis 0 in each of {len(specs):,} tensors; at most {_MOST:,} in all"
    return ""


def step_tensors(specs: Sequence[TensorSpec], count: int | None) -> list[int]:
    """Return the indices of the integer tensors that may hold the steps of `count` slices, or of any number; the best first."""
    found = []
    for index, spec in enumerate(specs):
        last = re.split(r"[/.]", spec.name)[-1].lower()
        named = last == "step" or last.endswith("_step")
        long = 0 < spec.size <= _MOST if count is None else spec.size == count
        if named and long and spec.dtype.kind == "int" and spec.shape in ((spec.size,), (spec.size, 1)):
            found.append((last != "step", index))
    return [index for _, index in sorted(found)]


def log_notes(specs: Sequence[TensorSpec], path: str) -> list[Note]:
    """Return a note if `specs`, the gradients of a dump, are taken for one though they look like a log, or like samples."""
    if not is_log(specs):
        return _sample_notes(specs, path)
    what = f"looks like a log of {max(spec.shape[0] for spec in specs):,} steps, one slice along axis 0 each, but is taken for one dump"
    return [Note("log", f"{path}: {what}; --along 0 makes a dump of each slice", changes_figures=True)]


def _sample_notes(specs: Sequence[TensorSpec], path: str) -> list[Note]:
    """Note gradients of each sample, by the name that Opacus gives them: one length above 1 along axis 0."""
    if not specs or not all(_SAMPLES in spec.name for spec in specs):
        return []
    lengths = {spec.shape[:1] for spec in specs}
    if len(lengths) > 1 or lengths <= {(), (0,), (1,)}:
        return []
    what = f"looks like gradients of {specs[0].shape[0]:,} samples ({_SAMPLES}), but is taken for one dump"
    return [Note("samples", f"{path}: {what}; --along 0 makes a dump of each", changes_figures=True)]


def is_log(specs: Sequence[TensorSpec]) -> bool:
    """Whether all of some gradients can grow along axis 0, and one has a length above 1 there; a killed writer leaves others."""
    return bool(specs) and all(spec.grows for spec in specs) and max(spec.shape[0] for spec in specs) > 1


def check_roles(specs: Sequence[TensorSpec], path: str) -> None:
    """Raise UsageError if `specs`, the selected tensors of a log, hold gradients and something else of the same layers."""
    if not is_log(specs):
        return
    names = {spec.name: ending_of(spec.name) for spec in specs}
    bases = {one.base for one in names.values() if one.is_gradient}
    endings = dict.fromkeys(one.ending for name, one in names.items() if one.base in bases and name not in bases)
    gradients = dict.fromkeys(one.ending for one in names.values() if one.is_gradient)
    listed = [f"*{ending}" for ending in endings] + ["no ending"] * (not bases.isdisjoint(names))
    if len(listed) > 1:
        what = f"{printable(path)} holds tensors of several roles: {', '.join(listed)}"
        raise UsageError(f"{what}; choose one, such as --include '*{next(iter(gradients))}'")


def scalar_notes(specs: Sequence[TensorSpec], path: str) -> list[Note]:
    """Return a note if some tensors have one number a slice and others have more: a loss is no gradient."""
    single = [spec.name for spec in specs if len(spec.shape) == 1]
    if not single or len(single) == len(specs):
        return []
    what = f"one number in each slice, counted as gradients: {shortlist(single)}"
    return [Note("one-number", f"{path}: {what}; leave out with --exclude what is none", changes_figures=True)]
