"""Tell from the names of tensors along which axis their outputs lie."""

import math
import re
from collections.abc import Callable, Iterable, Sequence

from gradclip_cli.errors import UsageError
from gradclip_cli.notes import Note
from gradclip_cli.strategies.base import Group, Strategy

AUTO, FIRST, LAST = "auto", "first", "last"
AXES = (AUTO, FIRST, LAST)
"""What `--unit-axis` takes: PyTorch stores outputs first, as in (out, in, height, width); Flax, Keras and TensorFlow last."""

MIN_WEIGHT_NORM = 1e-3
"""The least norm that a unit of weights counts as: a unit of zeros would have a threshold of 0 otherwise, and stay so."""

_LAST = re.compile(r"(?:kernel|embeddings?)(?::0)?$|(?:^|[/.])vars/\d+$")
_FIRST = re.compile(r"weight\w*$")


def named_axis(name: str) -> str | None:
    """Return the axis that a name tells; None if it tells none.

    >>> named_axis("h.0.attn.weight"), named_axis("params/Dense_0/kernel"), named_axis("dense/vars/0"), named_axis("0_W")
    ('first', 'last', 'last', None)
    """
    return FIRST if _FIRST.search(name) else LAST if _LAST.search(name) else None


def unit_axes(names: Sequence[str], asked: str, every: Callable[[], Iterable[str]] | None = None) -> list[str]:
    """Return the axis of each tensor: the one asked for, that of its name, or that of most names in the dump.

    `every` returns the names in all files of the dump, if it has others than these.
    """
    if asked != AUTO:
        return [asked] * len(names)
    told = [named_axis(name) for name in names]
    if None not in told:
        return [axis for axis in told if axis]
    among = told if every is None else [named_axis(name) for name in dict.fromkeys(every())]
    other = LAST if among.count(LAST) > among.count(FIRST) else FIRST
    return [axis or other for axis in told]


def check_units(strategies: Iterable[Strategy], along: int | None, axis: str) -> None:
    """Raise UsageError for an axis that there is not, one that no strategy needs, or units of slices."""
    if axis not in AXES:
        raise UsageError(f"unit_axis must be one of {', '.join(AXES)}, not {axis!r}")
    of_units = [strategy.name for strategy in strategies if strategy.group is Group.UNIT]
    if axis != AUTO and not of_units:
        raise UsageError("--unit-axis is for strategies that limit each unit; leave it out")
    if of_units and along is not None:
        raise UsageError(
            f"{of_units[0]} does not take slices as dumps; leave out --along, and give files of single steps"
        )


def check_weights(strategies: Iterable[Strategy], given: bool, least: float, *, shown: bool = False) -> None:
    """Raise UsageError where a strategy lacks weights, where none looks at those given, or for a least norm below 0 or without use.

    `shown` says that a report has figures of weights, whatever the strategy.
    """
    taking = [strategy.name for strategy in strategies if strategy.takes_weights]
    if taking and not given:
        raise UsageError(f"{taking[0]} needs --weights: a dump of the weights, or one for each step")
    if given and not taking and not shown:
        raise UsageError("no strategy here looks at weights; leave out --weights, or give -s adaptive-clip")
    if not 0 <= least < math.inf:
        raise UsageError(f"--min-weight-norm must be a number of at least 0, not {least:g}")
    if least != MIN_WEIGHT_NORM and not taking:
        raise UsageError(
            "--min-weight-norm is for strategies that look at weights; leave it out, or give -s adaptive-clip"
        )


def axis_notes(path: str, names: Sequence[str], asked: str) -> list[Note]:
    """Note where names, of tensors of two dimensions or more, tell no axis, or tell both."""
    told = {named_axis(name) for name in names} if asked == AUTO else {FIRST}
    if told >= {FIRST, LAST}:
        what = f"some names tell the first axis, as weight does, and some the last, as kernel does: {_GIVE}"
    elif told <= {None} and names:
        what = f"no name tells the axis of outputs, so it is the first: {_GIVE}"
    else:
        return []
    return [Note("unit-axis", f"{path}: {what}", changes_figures=True)]


_GIVE = "--unit-axis first or last says it"
