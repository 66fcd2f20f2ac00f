"""Assemble the report of `apply` from what was measured before and after."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from gradclip_cli.arithmetic import norms
from gradclip_cli.clipping.groups import Decision, Shared
from gradclip_cli.clipping.transform import After
from gradclip_cli.inputs import shards
from gradclip_cli.inputs.dumps import Dump
from gradclip_cli.measure import NormTypes, Stats, merge, merged
from gradclip_cli.plan import ApplyPlan, norm_types
from gradclip_cli.report import ApplyDump, ApplyLayer, ApplyParam, ApplyTotal
from gradclip_cli.report.rows import Rows
from gradclip_cli.strategies import Group
from gradclip_cli.text import count, listed

Value = TypeVar("Value")


class Applied:
    """One dump, before and after; the rows of its report are made when they are looked at."""

    def __init__(
        self, dump: Dump, decisions: Sequence[tuple[Shared, Decision]], after: Mapping[int, After], plan: ApplyPlan
    ) -> None:
        self._dump, self._decisions, self._after = dump, decisions, after
        self._types = norm_types(plan)
        self._zeroes = plan.nonfinite == "zero"
        self._of = {index: decision for shared, decision in decisions for index in shared.members}

    def report(self, output: str | None) -> ApplyDump:
        """Return the report of this dump; layers in natural order, tensors with their layer, those that do not count last."""
        dump = self._dump
        params = [*dump.named.values(), *([index] for index in dump.left_out)]
        written = shards.shown(dump.path, output) if output else None
        return ApplyDump(
            shards.shown(dump.path, dump.path),
            written,
            dump.step,
            self._total(),
            Rows(self._layer, list(dump.layers)),
            Rows(self._param, params),
            dump.labels,
        )

    def notes(self) -> list[str]:
        """What a person should know beside the figures: norms of zero, and elements that were rounded to zero."""
        path, named = self._dump.path, self._dump.named
        renormalized = [
            layer
            for layer, indices in self._dump.layers.items()
            if self._of[indices[0]].strategy.name.startswith("renormalize") and self._measured(indices)[2] == 0
        ]
        changed = [(name, indices) for name, indices in named.items() if any(index in self._after for index in indices)]
        lost = {name: self._underflowed(indices, *self._pair(indices)) for name, indices in changed}
        underflowed = [self._dump.own_name(named[name][0]) for name, number in lost.items() if number]
        notes = []
        if renormalized:
            notes.append(f"{path}: norm 0, left as it is: {listed(renormalized)}")
        if underflowed:
            total = count(sum(lost.values()), "element")
            notes.append(f"{path}: {total} rounded to zero in {listed(underflowed)}")
        return notes

    def _stats_after(self, index: int) -> Stats:
        return self._after[index].stats if index in self._after else self._dump.stats[index]

    def _measured(self, indices: Sequence[int]) -> tuple[Stats, Stats, float, float]:
        """Statistics and norms of tensors together, before and after; where nothing has changed they are the same."""
        strategy = self._of[indices[0]].strategy
        which = 0 if strategy.takes_norm else len(self._types) - 1
        before, after = self._pair(indices)
        norm = _norm(before, self._types, which)
        return before, after, norm, norm if after is before else _norm(after, self._types, which)

    def _pair(self, indices: Sequence[int]) -> tuple[Stats, Stats]:
        before = merged([self._dump.stats[index] for index in indices], self._types)
        if not any(index in self._after for index in indices):
            return before, before
        return before, merged([self._stats_after(index) for index in indices], self._types)

    def _clipped(self, indices: Sequence[int]) -> int:
        """How many elements of a tensor were clipped: all, or one by one."""
        factor = self._of[indices[0]].action.factor
        if factor is not None and factor != 1:
            return sum(self._dump.stats[index].elements for index in indices)
        return sum(self._after[index].clipped for index in indices if index in self._after)

    def _param(self, indices: Sequence[int]) -> ApplyParam:
        first = indices[0]
        if first not in self._of:
            return self._left_out(first)
        spec, place, decision = self._dump.tensors[first], self._dump.places[first], self._of[first]
        before, after, norm_before, norm_after = self._measured(indices)
        factor, clipped = decision.action.factor, self._clipped(indices)
        return ApplyParam(
            self._dump.own_name(first),
            place.layer,
            place.param,
            self._dump.shape(indices),
            spec.dtype.name,
            before.elements,
            norm_before,
            norm_after,
            before.as_read(before.max_abs),
            after.as_read(after.max_abs),
            factor,
            clipped > 0 or factor not in (1, None),
            clipped,
            before.zeros,
            before.nonfinite,
            self._underflowed(indices, before, after),
            decision.strategy.name,
            decision.threshold,
        )

    def _underflowed(self, indices: Sequence[int], before: Stats, after: Stats) -> int:
        """How many elements were rounded to zero; not those that the policy or a factor of 0 or NaN made so."""
        factor = self._of[indices[0]].action.factor
        if factor is not None and not factor > 0:
            return 0
        return max(0, after.zeros - before.zeros - (before.nonfinite if self._zeroes else 0))

    def _left_out(self, index: int) -> ApplyParam:
        spec, place = self._dump.tensors[index], self._dump.places[index]
        figures = (None,) * 5
        return ApplyParam(
            self._dump.own_name(index),
            place.layer,
            place.param,
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

    def _layer(self, layer: str) -> ApplyLayer:
        indices = self._dump.layers[layer]
        before, _, norm_before, norm_after = self._measured(indices)
        decision = self._of[indices[0]]
        factor = _shared([self._of[index].action.factor for index in indices])
        return ApplyLayer(
            layer,
            len({self._dump.tensors[index].name for index in indices}),
            before.elements,
            norm_before,
            norm_after,
            factor,
            any(self._of[index].action.factor not in (1, None) or self._clipped([index]) for index in indices),
            decision.strategy.name,
            decision.threshold,
        )

    def _total(self) -> ApplyTotal:
        before = merge(self._dump.stats.values(), self._types)
        after = merge(map(self._stats_after, self._dump.stats), self._types) if self._after else before
        groups = [
            decision.action.factor for shared, decision in self._decisions if shared.strategy.group is not Group.NONE
        ]
        whole = [factor for factor in groups if factor is not None]
        elementwise = bool(groups) and not whole
        return ApplyTotal(
            len(self._dump.named),
            before.elements,
            _norm(before, self._types, 0),
            _norm(after, self._types, 0),
            before.as_read(before.max_abs),
            after.as_read(after.max_abs),
            None if elementwise else len(whole),
            None if elementwise else sum(factor != 1 for factor in whole),
            sum(map(self._clipped, self._dump.named.values())),
        )


def _norm(stats: Stats, types: NormTypes, which: int) -> float:
    return stats.as_read(norms.norm(stats.powers[which], types[which]))


def _shared(values: Sequence[Value | None]) -> Value | None:
    """Return the value that all have in common, if there is one; by their text, since NaN is not equal to itself."""
    return values[0] if len(values) == 1 or len(set(map(repr, values))) == 1 else None
