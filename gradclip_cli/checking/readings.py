"""What `check` keeps of each dump, and how that becomes the figures of a series."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.checking.losses import Losses
from gradclip_cli.checking.sameness import TYPES
from gradclip_cli.engine.survey import Dump
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.order import place
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
    stats = dump.stats.merge_groups(list(named.values()), TYPES)
    lost = np.array([losses.of(indices) for indices in named.values()]).reshape(len(named), len(losses.targets), 2)
    rows = [
        *stats.counts.T,
        stats.max_abs,
        *(stats.norms(which, p) for which, p in enumerate(TYPES)),
        [name in same for name in named],
        *(lost[:, :, 0].T - stats.zeros),
        *(lost[:, :, 1].T - stats.nonfinite),
    ]
    return Reading(dump.path, tensors, np.array(rows, np.float64))


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
