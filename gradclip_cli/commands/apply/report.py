"""Assemble the report of `apply` from what was measured before and after."""

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np

from gradclip_cli.commands.apply.before_after import Figures
from gradclip_cli.commands.apply.groups import Decision, Shared
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.rewrite import After
from gradclip_cli.engine.survey import Dump
from gradclip_cli.inputs import shards
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.numerics import norms
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.reports import ApplyDump, ApplyLayer, ApplyParam, ApplyTotal
from gradclip_cli.strategies import Group
from gradclip_cli.text import count, listed

Value = TypeVar("Value")


class Applied:
    """One dump, before and after; the rows of its report are made when they are looked at."""

    def __init__(self, dump: Dump, decisions: Sequence[tuple[Shared, Decision]], after: After, plan: ApplyPlan) -> None:
        self._dump, self._decisions = dump, decisions
        self._plan, self._types = plan, plan.norm_types
        self._of = {index: decision for shared, decision in decisions for index in shared.members}
        self._single = after.clipped
        self._after = dump.stats.updated_by(after.stats)
        self._left_out = dump.left_out

    def report(self, output: str | None) -> ApplyDump:
        """Return the report of this dump; layers in natural order, tensors with their layer, those that do not count last."""
        dump = self._dump
        written = shards.shown(dump.path, output) if output else None
        return ApplyDump(
            shards.shown(dump.path, dump.path),
            written,
            dump.step,
            self._total(),
            LazyRows(self._layer, range(len(dump.layers))),
            LazyRows(self._param, range(len(dump.named) + len(self._left_out))),
            dump.labels,
        )

    def notes(self) -> list[str]:
        """What a person should know beside the figures: norms of zero, and elements that were rounded to zero."""
        path, lost, notes = self._dump.path, self._params.underflowed, []
        if renormalized := self._renormalized():
            notes.append(f"{path}: norm 0, left as it is: {listed(renormalized)}")
        if lost.any():
            which = [self._dump.own_name(self._params.groups[k][0]) for k in np.flatnonzero(lost).tolist()]
            notes.append(f"{path}: {count(int(lost.sum()), 'element')} rounded to zero in {listed(which)}")
        return notes

    def _renormalized(self) -> list[str]:
        """The layers that were to be divided by a norm of 0."""
        if not any(shared.strategy.name.startswith("renormalize") for shared, _ in self._decisions):
            return []
        names, found = list(self._dump.layers), self._layers
        none = np.flatnonzero(found.norm_before == 0).tolist()
        return [names[k] for k in none if self._decision(found, k).strategy.name.startswith("renormalize")]

    @cached_property
    def _params(self) -> Figures:
        return self._figures(list(self._dump.named.values()))

    @cached_property
    def _layers(self) -> Figures:
        return self._figures(list(self._dump.layers.values()))

    def _figures(self, groups: Sequence[Sequence[int]]) -> Figures:
        decisions = [self._of[indices[0]] for indices in groups]
        return Figures.of(groups, decisions, self._dump.stats, self._after, self._plan)

    def _decision(self, figures: Figures, k: int) -> Decision:
        """What was decided of the first tensor in a group."""
        return self._of[figures.groups[k][0]]

    def _clipped(self, indices: Sequence[int]) -> int:
        """How many elements of a tensor were clipped: all, or one by one."""
        factor = self._of[indices[0]].action.factor
        if factor is None or factor == 1:
            return sum([self._single.get(index, 0) for index in indices]) if self._single else 0
        return sum([self._dump.tensors[index].size for index in indices])

    def _param(self, k: int) -> ApplyParam:
        found = self._params
        if k >= len(found.groups):
            return self._beside(self._left_out[k - len(found.groups)])
        indices, decision = found.groups[k], self._decision(found, k)
        first, factor, clipped = indices[0], decision.action.factor, self._clipped(indices)
        return ApplyParam(
            self._dump.own_name(first),
            *self._dump.places[first],
            self._dump.shape(indices),
            self._dump.tensors[first].dtype.name,
            found.elements.item(k),
            found.norm_before.item(k),
            found.norm_after.item(k),
            found.peak_before.item(k),
            found.peak_after.item(k),
            factor,
            clipped > 0 or factor not in (1, None),
            clipped,
            found.zeros.item(k),
            found.nonfinite.item(k),
            found.underflowed.item(k),
            decision.strategy.name,
            decision.threshold,
        )

    def _beside(self, index: int) -> ApplyParam:
        """The row of a tensor that does not count."""
        spec, figures = self._dump.tensors[index], (None,) * 5
        return ApplyParam(
            self._dump.own_name(index),
            *self._dump.places[index],
            spec.shape,
            spec.dtype.name,
            spec.size,
            *figures,
            False,
            0,
            None,
            None,
            None,
            None,
            None,
        )

    def _layer(self, k: int) -> ApplyLayer:
        found = self._layers
        indices, decision = found.groups[k], self._decision(found, k)
        params = [indices] if len(indices) == 1 else self._by_name(indices)
        factors = [self._of[pieces[0]].action.factor for pieces in params]
        clipped = [self._clipped(pieces) for pieces in params]
        changed = [number > 0 or factor not in (1, None) for number, factor in zip(clipped, factors, strict=True)]
        single = None in factors and any(number for number, one in zip(clipped, factors, strict=True) if one is None)
        return ApplyLayer(
            self._dump.places[indices[0]].layer,
            len(params),
            found.elements.item(k),
            found.norm_before.item(k),
            found.norm_after.item(k),
            _shared(factors),
            any(changed),
            decision.strategy.name,
            decision.threshold,
            found.peak_before.item(k),
            found.peak_after.item(k),
            sum(changed),
            sum(clipped) if single else None,
        )

    def _by_name(self, indices: Sequence[int]) -> list[list[int]]:
        params: dict[str, list[int]] = {}
        for index in indices:
            params.setdefault(self._dump.tensors[index].name, []).append(index)
        return list(params.values())

    def _total(self) -> ApplyTotal:
        before, after = (stats.total(self._types) for stats in (self._dump.stats, self._after))
        groups = [
            decision.action.factor for shared, decision in self._decisions if shared.strategy.group is not Group.NONE
        ]
        whole = [factor for factor in groups if factor is not None]
        elementwise = bool(groups) and not whole
        return ApplyTotal(
            len(self._dump.named),
            before.elements,
            _norm(before, self._types[0]),
            _norm(after, self._types[0]),
            before.as_read(before.max_abs),
            after.as_read(after.max_abs),
            None if elementwise else len(whole),
            None if elementwise else sum(factor != 1 for factor in whole),
            sum(map(self._clipped, self._params.groups)),
        )


def _norm(stats: TensorStats, p: float) -> float:
    return stats.as_read(norms.norm(stats.powers[0], p))


def _shared(values: Sequence[Value | None]) -> Value | None:
    """Return the value that all have in common, if there is one; by their text, since NaN is not equal to itself."""
    return values[0] if len(values) == 1 or len(set(map(repr, values))) == 1 else None
