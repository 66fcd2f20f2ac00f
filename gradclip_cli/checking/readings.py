"""What `check` keeps of each dump, and how that becomes the figures of a series."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.arithmetic import norms
from gradclip_cli.checking.losses import Losses
from gradclip_cli.checking.sameness import TYPES
from gradclip_cli.inputs.dumps import Dump
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.order import place
from gradclip_cli.measure import Stats, merged
from gradclip_cli.rules.figures import Figures, Matrix, Tensor
from gradclip_cli.text import printable

_OWN = 9
"""Figures of a tensor before those for each dtype: the matrices of `Figures` from `elements` to `same`."""


class Reading(NamedTuple):
    """The figures of one dump: a row for each of them, and a column for each tensor."""

    path: str
    tensors: list[Tensor]
    rows: Matrix


def reading(dump: Dump, losses: Losses, same: set[str]) -> Reading:
    """Reduce a dump to its figures; pieces of one tensor are one."""
    named = dump.named
    tensors = [Tensor(name, *dump.places[indices[0]]) for name, indices in named.items()]
    columns = [
        _column(merged([dump.stats[k] for k in indices], TYPES), losses.of(indices), name in same)
        for name, indices in named.items()
    ]
    return Reading(dump.path, tensors, np.array(columns, np.float64).T)


def _column(stats: Stats, lost: Sequence[tuple[int, int]], same: bool) -> list[float]:
    norm, mass = (norms.norm(power, p) for power, p in zip(stats.powers, TYPES, strict=True))
    own = [*stats[:5], stats.max_abs, norm, mass, float(same)]
    return [*own, *(low - stats.zeros for low, _ in lost), *(high - stats.nonfinite for _, high in lost)]


def figures(readings: Sequence[Reading], steps: Sequence[int | None], targets: Sequence[str]) -> Figures:
    """Put the readings of a series together; tensors are matched by name, and any dump may lack some."""
    known = {tensor.name: tensor for one in reversed(readings) for tensor in one.tensors}
    tensors = sorted(known.values(), key=lambda tensor: (natural(tensor.layer), natural(tensor.name)))
    place = {tensor.name: k for k, tensor in enumerate(tensors)}
    cube = np.zeros((_OWN + 2 * len(targets), len(readings), len(tensors)))
    for k, one in enumerate(readings):
        if one.tensors:
            cube[:, k, [place[tensor.name] for tensor in one.tensors]] = one.rows
    dumps = [_called(one.path, step) for one, step in zip(readings, steps, strict=True)]
    return Figures(dumps, tensors, targets, *cube[:_OWN], *cube[_OWN:].reshape(2, len(targets), *cube.shape[1:]))


def _called(path: str, step: int | None) -> str:
    return f"step {step}" if step is not None else printable(os.path.basename(place(path)))
