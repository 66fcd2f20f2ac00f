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
from gradclip_cli.strategies import Group
from gradclip_cli.text import count, listed

Value = TypeVar("Value")


class Applied:
    """One dump, before and after."""

    def __init__(
        self, dump: Dump, decisions: Sequence[tuple[Shared, Decision]], after: Mapping[int, After], plan: ApplyPlan
    ) -> None:
        self._dump, self._decisions, self._after = dump, decisions, after
        self._types = norm_types(plan)
        self._zeroes = plan.nonfinite == "zero"
        self._of = {index: decision for shared, decision in decisions for index in shared.members}

    def report(self, output: str | None) -> ApplyDump:
        """Return the report of this dump; layers in natural order, tensors with their layer, those that do not count last."""
        dump, layers = self._dump, self._dump.layers
        params = {name: self._param(indices) for name, indices in dump.named.items()}
        rows = [self._layer(layer, indices, self._params_of(indices, params)) for layer, indices in layers.items()]
        total = self._total(list(params.values()))
        every = [*params.values(), *map(self._left_out, dump.left_out)]
        written = shards.shown(dump.path, output) if output else None
        return ApplyDump(shards.shown(dump.path, dump.path), written, dump.step, total, rows, every, dump.labels)

    def _stats_after(self, index: int) -> Stats:
        return self._after[index].stats if index in self._after else self._dump.stats[index]

    def _params_of(self, indices: Sequence[int], params: Mapping[str, ApplyParam]) -> list[ApplyParam]:
        return [params[name] for name in dict.fromkeys(self._dump.tensors[index].name for index in indices)]

    def _param(self, indices: Sequence[int]) -> ApplyParam:
        first = indices[0]
        spec, place, decision = self._dump.tensors[first], self._dump.places[first], self._of[first]
        before = merged([self._dump.stats[index] for index in indices], self._types)
        after = merged([self._stats_after(index) for index in indices], self._types)
        factor = decision.action.factor
        clipped = sum(self._after[index].clipped for index in indices if index in self._after)
        if factor is not None and factor != 1:
            clipped = before.elements
        return ApplyParam(
            self._dump.own_name(first),
            place.layer,
            place.param,
            self._dump.shape(indices),
            spec.dtype.name,
            before.elements,
            self._norm(before, decision),
            self._norm(after, decision),
            before.as_read(before.max_abs),
            after.as_read(after.max_abs),
            factor,
            clipped > 0 or factor not in (1, None),
            clipped,
            before.zeros,
            before.nonfinite,
            self._underflowed(before, after, factor),
            decision.strategy.name,
            decision.threshold,
        )

    def _underflowed(self, before: Stats, after: Stats, factor: float | None) -> int:
        """How many elements were rounded to zero; not those that the policy or a factor of 0 or NaN made so."""
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

    def _layer(self, layer: str, indices: Sequence[int], params: Sequence[ApplyParam]) -> ApplyLayer:
        decision = self._of[indices[0]]
        before = merged([self._dump.stats[index] for index in indices], self._types)
        after = merged([self._stats_after(index) for index in indices], self._types)
        return ApplyLayer(
            layer,
            len(params),
            sum(param.elements for param in params),
            self._norm(before, decision),
            self._norm(after, decision),
            _shared([param.factor for param in params]),
            any(param.clipped for param in params),
            decision.strategy.name,
            decision.threshold,
        )

    def _total(self, params: Sequence[ApplyParam]) -> ApplyTotal:
        before = merge(self._dump.stats.values(), self._types)
        after = merge((self._stats_after(index) for index in self._dump.stats), self._types)
        groups = [
            decision.action.factor for shared, decision in self._decisions if shared.strategy.group is not Group.NONE
        ]
        whole = [factor for factor in groups if factor is not None]
        elementwise = bool(groups) and not whole
        return ApplyTotal(
            len(params),
            sum(param.elements for param in params),
            _norm(before, self._types, 0),
            _norm(after, self._types, 0),
            before.as_read(before.max_abs),
            after.as_read(after.max_abs),
            None if elementwise else len(whole),
            None if elementwise else sum(factor != 1 for factor in whole),
            sum(param.clipped_elements for param in params),
        )

    def _norm(self, stats: Stats, decision: Decision) -> float:
        return _norm(stats, self._types, 0 if decision.strategy.takes_norm else len(self._types) - 1)


def _norm(stats: Stats, types: NormTypes, which: int) -> float:
    return stats.as_read(norms.norm(stats.powers[which], types[which]))


def _shared(values: Sequence[Value | None]) -> Value | None:
    """Return the value that all have in common, if there is one; by their text, since NaN is not equal to itself."""
    return values[0] if len(values) == 1 or len(set(map(repr, values))) == 1 else None


def notes_on(path: str, dump: ApplyDump) -> list[str]:
    """What a person should know of a dump beside its figures: norms of zero, and elements that were rounded to zero."""
    renormalized = [row.layer for row in dump.layers if row.strategy.startswith("renormalize") and row.norm_before == 0]
    underflowed = [param.name for param in dump.params if param.underflowed]
    notes = []
    if renormalized:
        notes.append(f"{path}: norm 0, left as it is: {listed(renormalized)}")
    if underflowed:
        total = sum(param.underflowed or 0 for param in dump.params)
        notes.append(f"{path}: {count(total, 'element')} rounded to zero in {listed(underflowed)}")
    return notes
