"""Measure the weights beside gradients, and pair them by name: of one dump for all steps, or of one for each step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import measure_series
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.units import Units, units_of
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.naming import identities
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.text import printable

_L2: SumKinds = (2.0,)


class Weight(NamedTuple):
    """One tensor of weights: its L2 norm, NaN or infinite where an element is, and its units where these were measured."""

    name: str
    shape: tuple[int, ...] | None
    norm: float
    units: Units | None = None


class WeightDump:
    """The weights of one dump, found by name, whatever wrappers of training tools are in it."""

    def __init__(self, path: str, weights: Sequence[Weight]) -> None:
        self.path = path
        self._weights = {weight.name: weight for weight in weights}
        self._bare = dict(zip(identities(list(self._weights)), weights, strict=True))

    def paired(self, names: Sequence[str]) -> list[Weight | None]:
        """Return the weight of each gradient of a dump; None where there is none."""
        bare = identities(names)
        return [self._weights.get(name) or self._bare.get(one) for name, one in zip(names, bare, strict=True)]

    def required(self, weight: Weight | None, name: str, shape: tuple[int, ...] | None, path: str) -> Weight:
        """Return the weight of a gradient in `path`; raise InputError where there is none, or one of another shape."""
        if weight is None:
            raise InputError(
                f"has no weight in {printable(self.path)}; leave it out with --exclude", path=path, tensor=name
            )
        if shape is not None and weight.shape is not None and shape != weight.shape:
            what = (
                f"is of shape {list(shape)}, but its weight in {printable(self.path)} is of shape {list(weight.shape)}"
            )
            raise InputError(what, path=path, tensor=name)
        return weight


class Weights(NamedTuple):
    """The weights of a call: of one dump, or of several by their steps."""

    single: WeightDump | None
    steps: Mapping[int, WeightDump]

    def of_step(self, step: int | None, path: str) -> WeightDump:
        """Return the weights beside the gradients of a step, which are in `path`; raise InputError where there are none."""
        if self.single is not None:
            return self.single
        if step is None or step not in self.steps:
            known = f"there are weights of {len(self.steps)} steps, from {min(self.steps)} to {max(self.steps)}"
            what = (
                "has no step to pair weights by"
                if step is None
                else f"is of step {step}, of which there are no weights"
            )
            raise InputError(f"{what}; {known}", path=path)
        return self.steps[step]

    def beside(self, dump: MeasuredDump) -> list[Weight]:
        """Return the weight of each tensor of a dump, in the order of its names; raise InputError where one is missing."""
        found, names = self.of_step(dump.step, dump.source.location), list(dump.named)
        return [
            found.required(weight, name, dump.shape(indices), dump.file_of(indices[0]).path)
            for weight, (name, indices) in zip(found.paired(names), dump.named.items(), strict=True)
        ]


def measure_weights(sources: Sequence[DumpSource], run: Run) -> Weights:
    """Measure the weights of all sources, which are read as the gradients are, but for what chooses and counts those."""
    selection = run.selection
    own = Selection(
        naming=selection.naming, void_dtype=selection.void_dtype, allow_huge=selection.allow_huge, tied="twice"
    )
    other = Run(own, run.workers, run.progress, unit_axis=run.unit_axis)
    found = [dump for source in sources for dump in measure_series(source, _L2, other)]
    if len(found) == 1:
        return Weights(_of(found[0], other), {})
    steps: dict[int, WeightDump] = {}
    for dump in found:
        if dump.step is None or dump.step in steps:
            what = "has no step" if dump.step is None else f"holds weights of step {dump.step}, as another dump does"
            raise InputError(f"{what}; give one dump of weights, or one for each step", path=dump.source.location)
        steps[dump.step] = _of(dump, other)
    return Weights(None, steps)


def _of(dump: MeasuredDump, run: Run) -> WeightDump:
    weights = []
    dump = replace(dump, copies={})
    norms = dump.stats.merge_groups(list(dump.named.values()), _L2)
    every = norms.as_read(norms.norms(0, 2.0)).tolist() if dump.named else []
    for (name, indices), norm in zip(dump.named.items(), every, strict=True):
        units = units_of(dump, indices, _L2) if run.unit_axis is not None else None
        weights.append(Weight(name, dump.shape(indices), norm, units))
    return WeightDump(dump.source.location, weights)


def ratio(norms: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return norms of gradients over those of weights: infinite over weights of 0, and NaN where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return norms / weights
