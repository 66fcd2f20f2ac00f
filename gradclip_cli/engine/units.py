"""Take the units of a tensor from what was measured, and put those of a tensor in pieces together."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.unit_axis import FIRST
from gradclip_cli.notes import Note
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.unit_layout import UnitLayout
from gradclip_cli.numerics.unit_norms import UnitSums
from gradclip_cli.numerics.unit_sums import INFINITE, NAN
from gradclip_cli.text import shortlist


class UnitPlace(NamedTuple):
    """Where the units of a tensor of a file are among those of its whole tensor."""

    layout: UnitLayout
    first: int


class Units(NamedTuple):
    """The units of one tensor: the norms of their finite elements, their marks if any is not finite, and where they lie.

    `norms` is (units,), divided by the loss scale; `places` has each tensor of the files by its index. `apart` says that pieces do
    not say where they belong, so that each has units of its own.
    """

    norms: NDArray[np.float64]
    marks: NDArray[np.uint8] | None
    places: Mapping[int, UnitPlace]
    apart: bool = False
    axis: str | None = None  # that they lie along, if there are several

    def matches(self, other: "Units") -> bool:
        """Whether there are as many units, along the same axis."""
        return self.norms.shape == other.norms.shape and self.axis == other.axis

    @property
    def as_read(self) -> NDArray[np.float64]:
        """The norms, but NaN or infinite where an element is."""
        if self.marks is None:
            return self.norms
        infinite = np.where(self.marks & INFINITE, np.inf, self.norms)
        return np.where(self.marks & NAN, np.nan, infinite)


def units_of(dump: MeasuredDump, indices: Sequence[int], sums: SumKinds) -> Units:
    """Return the units of a tensor, given the indices of its pieces; a tensor of one unit has the norm that it has anyway.

    `sums` are those that were measured, with 2 among them.
    """
    there = [index for index in indices if dump.tensors[index].size]  # a rank may hold no row of a tensor
    spec, first = dump.tensors[indices[0]], dump.units.get(there[0]) if there else None
    whole = dump.wholes.get(spec.name)
    apart = len(there) > 1 and whole is None
    shape = whole.shape if whole is not None else spec.shape
    if first is None or (not apart and UnitLayout.of(shape, first=first.axis == FIRST).units == 1):
        return _one(dump, indices, sums)
    if len(there) == 1:
        own = first.sums
        place = {there[0]: UnitPlace(own.layout, 0)}
        return Units(own.norms(dump.stats.scale), own.marks, place, axis=first.axis)
    at = 0 if first.axis == FIRST else -1
    counts = [dump.units[k].sums.layout.units for k in there]
    if whole is None:
        _check_cut(dump, there, at)
        firsts = dict(zip(there, accumulate(counts, initial=0), strict=False))
        joined = _joined(dump, firsts, UnitLayout(sum(counts), 0, False))
        return joined._replace(apart=True, axis=first.axis)
    offsets = {piece.place: piece.offsets[at] for piece in whole.pieces}
    joined = _joined(dump, {k: offsets[k] for k in there}, UnitLayout.of(shape, first=first.axis == FIRST))
    return joined._replace(axis=first.axis)


def apart_notes(path: str, names: Sequence[str]) -> list[Note]:
    """Note the tensors, of the dump in `path`, whose units are those of pieces that do not say where they belong."""
    if not names:
        return []
    what = "files do not say where pieces belong, so each piece has units of its own, right only if it holds whole ones"
    return [Note("units-of-pieces", f"{path}: {what}: {shortlist(list(names), 4)}", len(names), changes_figures=True)]


def _check_cut(dump: MeasuredDump, indices: Sequence[int], at: int) -> None:
    """Raise InputError where pieces cannot hold whole units: their shapes differ in more than the axis `at` of units."""
    shapes = [list(dump.tensors[index].shape) for index in indices]
    if len({(len(shape), *(shape[1:] if at == 0 else shape[:-1])) for shape in shapes}) > 1:
        what = "its pieces hold parts of units, and do not say where they belong"
        advice = "leave it out with --exclude, or save the dump in one piece"
        path, name = dump.file_of(indices[0]).path, dump.name_of(indices[0])
        raise InputError(f"{what}: they are of shape {shapes[0]}, {shapes[1]} ..; {advice}", path=path, tensor=name)


def _joined(dump: MeasuredDump, firsts: Mapping[int, int], layout: UnitLayout) -> Units:
    """Add the sums of pieces, given with their first units, to those of `layout`."""
    sums = UnitSums(layout)
    for index, first in firsts.items():
        sums.merge(dump.units[index].sums, first)
    places = {k: UnitPlace(dump.units[k].sums.layout, first) for k, first in firsts.items()}
    return Units(sums.norms(dump.stats.scale), sums.marks, places)


def _one(dump: MeasuredDump, indices: Sequence[int], sums: SumKinds) -> Units:
    """Return a tensor as one unit, whose norm is that of all its elements."""
    row = dump.stats.merge_groups([indices], sums)[0]
    norm = np.array([row.norm(sums.index(2.0), 2.0)])
    mark = (NAN if row.nan else 0) | (INFINITE if row.posinf or row.neginf else 0)
    places = {k: UnitPlace(UnitLayout(1, dump.tensors[k].size, False), 0) for k in indices}
    return Units(norm, np.array([mark], np.uint8) if mark else None, places)
