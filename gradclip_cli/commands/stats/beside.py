"""Keep of the dumps of a series what some strategies compare instead of norms of tensors, and the norms of weights beside them."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.stats.dump_norms import sums_for
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.units import Units, apart_notes, units_of
from gradclip_cli.engine.weights import Beside, Weights
from gradclip_cli.errors import InputError
from gradclip_cli.notes import Note
from gradclip_cli.numerics.groups import groups_of
from gradclip_cli.strategies import Group
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, OwnNorms

if TYPE_CHECKING:
    from gradclip_cli.thresholds.samples import Matrix

Mask = NDArray[np.bool_]

Row = NDArray[np.float64]


class BesideRow(NamedTuple):
    """What is kept of one dump: for each tensor, by name, or one after the other for each of its units.

    `norms` are L2 norms, and `weights` those of the weights; `bases` is what the thresholds of units are multiples of. `lacking`
    marks tensors without a weight.
    """

    names: Sequence[str]
    norms: Row
    means: Row
    weights: Row | None = None
    sizes: Sequence[int] = ()
    units: Row | None = None
    bases: Row | None = None
    lacking: Mask | None = None

    @property
    def lacking_units(self) -> "Mask | None":
        """Marks units without a weight."""
        return None if self.lacking is None else np.repeat(self.lacking, self.sizes)


class BesideRows:
    """Makes the rows of a series; `notes` are on units of pieces, and on what lacks weights."""

    def __init__(self, plan: StatsPlan, weights: Weights | None) -> None:
        self._plan, self._weights = plan, weights
        self._apart: list[Note] = []

    @property
    def notes(self) -> list[Note]:
        """Notes on the dumps so far; raise InputError where none of the weights belongs to a gradient."""
        if self._weights is None:
            return self._apart
        self._weights.check()
        return [*self._apart, *self._weights.notes()]

    def of(self, dump: MeasuredDump) -> BesideRow | None:
        """Return what is kept of a dump, which has the names of its series; None where the plan asks for nothing.

        Raises InputError where a tensor has no weight, or one that does not fit.
        """
        plan, sums = self._plan, sums_for(self._plan)
        if not plan.compares_others and self._weights is None:
            return None
        names = list(dump.named)
        stats, which = dump.stats.merge_groups(groups_of(dump.named), sums), sums.index(2.0)
        norms = stats.as_read(stats.norms(which, 2.0))
        found = BesideRow(names, norms, norms / np.sqrt(np.maximum(stats.elements, 1)))
        beside = None if self._weights is None else self._weights.beside(dump)
        if beside is not None:
            weights = beside.every()
            known = [math.nan if one is None else one.norm for one in weights]
            found = found._replace(
                weights=np.array(known), lacking=np.array([one is None for one in weights], np.bool_)
            )
        if not plan.has_units:
            return found
        units = [units_of(dump, indices, sums) for indices in dump.named.values()]
        self._apart += apart_notes(dump.source.location, [n for n, one in zip(names, units, strict=True) if one.apart])
        every = np.concatenate([np.empty(0), *(one.as_read for one in units)])
        found = found._replace(sizes=[one.norms.size for one in units], units=every)
        return found if beside is None else found._replace(bases=self._bases(names, units, beside))

    def _bases(self, names: Sequence[str], units: Sequence[Units], beside: Beside) -> Row:
        found = [np.empty(0)]
        for name, one in zip(names, units, strict=True):
            pair = beside.units(name, one)
            if pair is None:
                found.append(np.full(one.norms.size, np.nan))
                continue
            norms = np.maximum(pair[1].norms, self._plan.min_weight_norm)
            found.append(norms if pair[1].marks is None else np.where(pair[1].marks > 0, np.nan, norms))
        return np.concatenate(found)


class BesideTables(NamedTuple):
    """The rows of a series as tables: what each strategy compares, by its name, and the norms of weights and of their gradients."""

    own: dict[str, OwnNorms]
    weights: NormTable | None
    norms: NormTable | None


def tables(
    rows: Sequence[BesideRow], names: Sequence[str], groups: Sequence[GroupName], plan: StatsPlan
) -> BesideTables:
    """Stack rows in the order given; `names` and `groups` are those of all tensors of the series."""
    if not rows:
        return BesideTables({}, None, None)
    column = {name: k for k, name in enumerate(names)}
    places = [np.array([column[name] for name in row.names], np.int64) for row in rows]
    norms = _table(groups, places, [row.norms for row in rows])
    own = {}
    for strategy in plan.compared:
        if strategy.of_mean:
            own[strategy.name] = OwnNorms(_table(groups, places, [row.means for row in rows]), norms)
        elif strategy.group is Group.UNIT:
            own[strategy.name] = _of_units(rows, places, groups, with_bases=strategy.takes_weights)
    beside = [row.weights for row in rows if row.weights is not None]
    if not beside:
        return BesideTables(own, None, norms)
    lacking = [row.lacking for row in rows]
    pair = (_table(groups, places, values, lacking) for values in (beside, [row.norms for row in rows]))
    return BesideTables(own, *pair)


def _of_units(
    rows: Sequence[BesideRow], places: Sequence[NDArray[np.int64]], groups: Sequence[GroupName], *, with_bases: bool
) -> OwnNorms:
    """Stack the norms of units; a tensor has as many in every dump that has it."""
    sizes = np.zeros(len(groups), np.int64)
    for row, at in zip(rows, places, strict=True):
        if (sizes[at] * (sizes[at] != row.sizes)).any():
            raise InputError("the shape of a tensor differs between dumps, so its units are not the same")
        sizes[at] = row.sizes
    starts = np.array([0, *accumulate(sizes.tolist())])
    named = [group for group, size in zip(groups, sizes.tolist(), strict=True) for _ in range(size)]
    where = [
        np.concatenate([np.empty(0, np.int64), *(np.arange(starts[k], starts[k + 1]) for k in at.tolist())])
        for at in places
    ]
    before = _table(named, where, [row.units for row in rows if row.units is not None])
    if not with_bases:
        return OwnNorms(before, before)
    lacking = [row.lacking_units for row in rows]
    bases = _table(named, where, [row.bases for row in rows if row.bases is not None]).norms
    before = _table(named, where, [row.units for row in rows if row.units is not None], lacking)
    with np.errstate(divide="ignore", invalid="ignore"):
        return OwnNorms(NormTable(named, np.where(before.norms == 0, 0.0, before.norms / bases), before.absent), before)


def _table(
    groups: Sequence[GroupName],
    places: Sequence[NDArray[np.int64]],
    values: Sequence[Row],
    lacking: Sequence[Mask | None] = (),
) -> NormTable:
    """Stack rows, of which each has values for some groups; the others are absent from it, and so are those that are `lacking`."""
    found: Matrix = np.zeros((len(values), len(groups)))
    absent = np.ones(found.shape, np.bool_)
    for row, missing, at, own in zip(found, absent, places, values, strict=True):
        row[at], missing[at] = own, False
    for row, missing, at, out in zip(found, absent, places, lacking, strict=False):
        if out is not None:
            row[at[out]], missing[at[out]] = 0.0, True
    return NormTable(groups, found, absent if absent.any() else None)
