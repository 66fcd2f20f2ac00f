"""Measure the weights beside gradients, and pair them by name: of one dump for all steps, or of one for each step."""

import math
from collections.abc import Iterable, Mapping, Sequence
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
from gradclip_cli.notes import Note
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.text import plural, printable, shortlist

_L2: SumKinds = (2.0,)

_MOST = 4
"""The most tensors, or steps, that a note names."""

NO_RATIO = "so without a ratio"
"""What follows from a gradient without a weight where it is only measured."""


class Weight(NamedTuple):
    """One tensor of weights: its L2 norm, NaN or infinite where an element is, and its units where these were measured.

    `shape` is None where its pieces do not say where they belong.
    """

    name: str
    shape: tuple[int, ...] | None
    elements: int
    norm: float
    units: Units | None = None


class WeightDump:
    """The weights of one dump, found by name, whatever wrappers of training tools are in it; `others` are of other dtypes."""

    def __init__(self, path: str, weights: Sequence[Weight], others: Mapping[str, str]) -> None:
        self.path = path
        self._others = dict(zip(identities(list(others)), others.values(), strict=True))
        self._weights = {weight.name: weight for weight in weights}
        self._bare = dict(zip(identities(list(self._weights)), weights, strict=True))

    def paired(self, names: Sequence[str]) -> list[Weight | None]:
        """Return the weight of each gradient of a dump; None where there is none."""
        bare = identities(names)
        return [self._weights.get(name) or self._bare.get(one) for name, one in zip(names, bare, strict=True)]

    def lacking(self, name: str) -> str:
        """Say that a gradient has no weight here, and of which dtype what has its name is."""
        dtype = self._others.get(identities([name])[0])
        return f"has no weight in {printable(self.path)}" + (f", where it is {dtype}" if dtype is not None else "")


class Weights:
    """The weights of a call, of one dump or of several by their steps; it remembers for its notes what lacks any.

    With `allow_missing`, a gradient without a weight is only noted.
    """

    def __init__(
        self, single: WeightDump | None, steps: Mapping[int, WeightDump], *, allow_missing: bool = False
    ) -> None:
        self._single, self._steps, self.allow_missing = single, steps, allow_missing
        self._pairs = 0
        self._lacking: dict[str, tuple[str, str]] = {}  # gradients, with the files of them and of the weights
        self._without: dict[tuple[str, int | None], None] = {}  # dumps without weights of their step
        self._broken: dict[str, str] = {}  # weights that are not finite, with their file

    def beside(self, dump: MeasuredDump) -> "Beside":
        """Return the weights beside the gradients of a dump; raise InputError where there are none of its step."""
        path, step = dump.source.location, dump.step
        found = self._single or (None if step is None else self._steps.get(step))
        if found is not None:
            return Beside(self, dump, found)
        if not self.allow_missing:
            raise InputError(f"{self._not_of(step)}; --allow-missing does without", path=path)
        self._without[path, step] = None
        return Beside(self, dump, None)

    def _not_of(self, step: int | None) -> str:
        what = "has no step to pair weights by" if step is None else f"is of step {step}, of which there are no weights"
        if not self._steps:
            return what
        return f"{what}; there are weights of {plural(len(self._steps), 'step')}, from {min(self._steps)} to {max(self._steps)}"

    def take(self, weight: Weight, path: str) -> None:
        """Remember a weight, of the file `path`, that a gradient was paired with."""
        self._pairs += 1
        if not math.isfinite(weight.norm):
            self._broken.setdefault(weight.name, path)

    def miss(self, name: str, path: str, found: WeightDump) -> None:
        """Remember a gradient in `path` that has no weight in a dump; raise InputError unless that is allowed."""
        if not self.allow_missing:
            what = f"{found.lacking(name)}; leave it out with --exclude, or give --allow-missing"
            raise InputError(what, path=path, tensor=name)
        self._lacking.setdefault(name, (path, found.path))

    def check(self) -> None:
        """Raise InputError where gradients lack weights, and none has any: these are not its weights."""
        if self._pairs or not (self._lacking or self._without):
            return
        if self._lacking:
            name, (path, where) = next(iter(self._lacking.items()))
            raise InputError(
                f"has no weight in {printable(where)}, nor has any other that needs one", path=path, tensor=name
            )
        path, step = next(iter(self._without))
        what = "has no step to pair weights by" if step is None else f"is of step {step}, of which there are no weights"
        raise InputError(f"{what}, nor are there any for the other dumps", path=path)

    def notes(self, missing: str = NO_RATIO, broken: str = "so these have no ratio") -> list[Note]:
        """Return notes on what lacks weights, and on weights that are not finite, with what follows from either."""
        found = []
        if self._lacking:
            path, where = next(iter(self._lacking.values()))
            names = shortlist(list(self._lacking), _MOST)
            what = f"no weight in {printable(where)} for {plural(len(self._lacking), 'tensor')}, {missing}: {names}"
            found.append(Note("no-weight", f"{path}: {what}", len(self._lacking), changes_figures=True))
        if self._without:
            steps = [f"{step}" if step is not None else printable(path) for path, step in self._without]
            what = f"no weights for {plural(len(steps), 'step')}, {missing}: {shortlist(steps, _MOST)}"
            found.append(Note("no-weights", what, len(steps), changes_figures=True))
        if self._broken:
            names, path = shortlist(list(self._broken), _MOST), next(iter(self._broken.values()))
            what = f"NaN or infinities among the weights of {names}, {broken}"
            found.append(Note("nonfinite-weights", f"{path}: {what}", len(self._broken), changes_figures=True))
        return found


class Beside:
    """The weights beside one dump of gradients, which are `found`: those of its tensors, by their names in the series."""

    def __init__(self, owner: Weights, dump: MeasuredDump, found: WeightDump | None) -> None:
        self._owner, self._dump, self._found = owner, dump, found
        names = list(dump.named)
        pairs: Iterable[Weight | None] = found.paired(names) if found is not None else [None] * len(names)
        self._of = dict(zip(names, pairs, strict=True))

    @property
    def path(self) -> str:
        """The file of the weights; empty where there are none."""
        return self._found.path if self._found is not None else ""

    def of(self, name: str) -> Weight | None:
        """Return the weight of a tensor, or of one that is tied to it; None where there is none.

        Raises InputError where that is not allowed, or where the weight does not fit.
        """
        if self._found is None:
            return None
        weight = self._of[name] or self._tied(name, self._found)
        if weight is None:
            self._owner.miss(name, self._path_of(name), self._found)
            return None
        self._fit(weight, name)
        self._owner.take(weight, self._found.path)
        return weight

    def units(self, name: str, units: Units) -> tuple[Weight, Units] | None:
        """Return the weight of a tensor, and its units, which are those of the gradient; None where there is no weight."""
        weight = self.of(name)
        if weight is None:
            return None
        if weight.units is None or not weight.units.matches(units):
            what = (
                f"its units do not match those of its weight in {printable(self.path)}; give --unit-axis first or last"
            )
            raise InputError(what, path=self._path_of(name), tensor=name)
        return weight, weight.units

    def every(self) -> list[Weight | None]:
        """Return the weight of each tensor of the dump, in the order of its names."""
        return [self.of(name) for name in self._dump.named]

    def norms(self) -> NDArray[np.float64]:
        """Return the L2 norm of the weight of each tensor: NaN where there is no weight, and infinite where it is not finite."""
        found = [None if one is None else one.norm for one in self.every()]
        return np.array([math.nan if norm is None else norm if math.isfinite(norm) else math.inf for norm in found])

    def _path_of(self, name: str) -> str:
        """Return the file of a gradient."""
        return self._dump.file_of(self._dump.named[name][0]).path

    def _tied(self, name: str, found: WeightDump) -> Weight | None:
        """Return the weight of a tensor that counts once with this one: trainers save tied weights under one name only."""
        names = self._dump.tied_to(self._dump.named[name][0])
        return next((weight for weight in found.paired(names) if weight is not None), None) if names else None

    def _fit(self, weight: Weight, name: str) -> None:
        """Raise InputError where a weight is of another shape than its gradient, or of another size where pieces hide it."""
        indices = self._dump.named[name]
        shape, elements = _shape(self._dump, indices), _elements(self._dump, indices)
        if shape is not None and weight.shape is not None and shape != weight.shape:
            own, other = f"is of shape {list(shape)}", f"is of shape {list(weight.shape)}"
        elif elements != weight.elements:
            own, other = f"has {plural(elements, 'element')} in all pieces", f"has {weight.elements:,}"
        else:
            return
        what = f"{own}, but its weight in {printable(self.path)} {other}"
        raise InputError(what, path=self._path_of(name), tensor=name)


def measure_weights(sources: Sequence[DumpSource], run: Run, *, allow_missing: bool = False) -> Weights:
    """Measure the weights of all sources, which are read as the gradients are, but for what chooses and counts those."""
    selection = run.selection
    own = Selection(
        naming=selection.naming,
        void_dtype=selection.void_dtype,
        allow_huge=selection.allow_huge,
        replicated=selection.replicated,
        tied="twice",
    )
    other = Run(own, run.workers, run.progress, unit_axis=run.unit_axis)
    wanted = selection.steps
    several = len(sources) > 1
    taken = [one for one in sources if not several or one.step is None or wanted is None or wanted.takes(one.step)]
    found = [dump for source in taken for dump in measure_series(source, _L2, other)]
    if len(found) == 1 and not several:
        return Weights(_of(found[0], other), {}, allow_missing=allow_missing)
    steps: dict[int, WeightDump] = {}
    for dump in found:
        if dump.step is None or dump.step in steps:
            what = "has no step" if dump.step is None else f"holds weights of step {dump.step}, as another dump does"
            raise InputError(f"{what}; give one dump of weights, or one for each step", path=dump.source.location)
        steps[dump.step] = _of(dump, other)
    return Weights(None, steps, allow_missing=allow_missing)


def _of(dump: MeasuredDump, run: Run) -> WeightDump:
    weights = []
    dump = replace(dump, copies={})
    norms = dump.stats.merge_groups(list(dump.named.values()), _L2)
    every = norms.as_read(norms.norms(0, 2.0)).tolist() if dump.named else []
    for (name, indices), norm in zip(dump.named.items(), every, strict=True):
        units = units_of(dump, indices, _L2) if run.unit_axis is not None else None
        weights.append(Weight(name, _shape(dump, indices), _elements(dump, indices), norm, units))
    others = {dump.tensors[k].name: dump.tensors[k].dtype.name for k in dump.left_out}
    return WeightDump(dump.source.location, weights, others)


def _shape(dump: MeasuredDump, indices: Sequence[int]) -> tuple[int, ...] | None:
    """Return the shape of a tensor; None where its pieces do not say where they belong."""
    return dump.shape(indices) if len(indices) == 1 or dump.tensors[indices[0]].name in dump.wholes else None


def _elements(dump: MeasuredDump, indices: Sequence[int]) -> int:
    """Count the elements of a tensor in all of its pieces."""
    return sum(dump.tensors[index].size for index in indices)
