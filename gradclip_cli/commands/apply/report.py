"""Assemble the report of `apply` from the statistics before and after."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np

from gradclip_cli.commands.apply.before_after import BeforeAfter
from gradclip_cli.commands.apply.decisions import Decision, Decisions, DumpDecisions
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.commands.apply.rewrite import Written
from gradclip_cli.engine.rewrite import Rewritten
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.notes import Note, merged
from gradclip_cli.reports.apply import ApplyDump, ApplyLayer, ApplyParam, ApplyReport, ApplyTotal
from gradclip_cli.strategies import Group
from gradclip_cli.text import plural, shortlist

Value = TypeVar("Value")


def summarize(plan: ApplyPlan, decided: Decisions, written: Mapping[DumpSource, Written]) -> ApplyReport:
    """Report all dumps, with notes; those on an output come after those on the first dump in it."""
    outputs = dict(zip(plan.inputs, plan.outputs, strict=True))
    dumps, notes, seen = [], [*plan.notes, *decided.notes], set[DumpSource]()
    for one in decided.dumps:
        source = one.dump.source
        summary = ApplySummary(one, written[source].of(one.dump), plan)
        dumps.append(summary.report(outputs[source]))
        notes += [*one.dump.notes, *(() if source in seen else written[source].notes), *summary.notes()]
        seen.add(source)
    norm = plan.measured
    return ApplyReport(
        strategy=plan.strategy.name,
        threshold=decided.threshold(plan),
        norm_type=norm.type,
        epsilon=norm.epsilon,
        nonfinite=plan.nonfinite,
        dumps=dumps,
        notes=merged(notes),
        rule=decided.rule(plan),
    )


class ApplySummary:
    """One dump before and after; the rows of its report are made on access."""

    def __init__(self, decided: DumpDecisions, after: Rewritten, plan: ApplyPlan) -> None:
        self._dump, self._decisions = decided
        self._plan, self._types = plan, plan.norm_types
        self._of = {index: decision for group, decision in self._decisions for index in group.members}
        self._single = after.clipped
        self._after = self._dump.stats.updated_by(after.stats)
        self._tied = list(self._dump.tied.values())
        self._left_out = self._dump.left_out

    def report(self, output: DumpOutput | None) -> ApplyDump:
        """Report this dump: layers in natural order, tensors by layer, and last those that count in no norm."""
        dump, layout = self._dump, self._dump.source.layout
        return ApplyDump(
            input=dump.source.label,
            output=layout.label(output.location, output.files) if output else None,
            step=dump.step,
            total=self._total(),
            layers=LazyRows(self._layer, range(len(dump.layers))),
            params=LazyRows(self._param, range(len(dump.named) + len(self._tied) + len(self._left_out))),
            labels=dump.labels,
            name=dump.source.name,
        )

    def notes(self) -> list[Note]:
        """Note what figures do not show: layers of norm 0 that stay as they are, and elements rounded to zero."""
        path, lost, notes = self._dump.source.location, self._params.underflowed, list[Note]()
        if renormalized := self._renormalized():
            notes.append(Note("norm-0", f"{path}: norm 0, left as it is: {shortlist(renormalized)}"))
        if lost.any():
            which = [self._dump.own_name(self._params.groups[k][0]) for k in np.flatnonzero(lost).tolist()]
            what = f"{plural(int(lost.sum()), 'element')} rounded to zero in {shortlist(which)}"
            notes.append(Note("underflow", f"{path}: {what}", int(lost.sum())))
        return notes

    def _renormalized(self) -> list[str]:
        """Return the layers that a strategy should have divided by their norm, which is 0."""
        if not any(group.strategy.name.startswith("renormalize") for group, _ in self._decisions):
            return []
        names, found = list(self._dump.layers), self._layers
        none = np.flatnonzero(found.norm_before == 0).tolist()
        return [names[k] for k in none if self._decision(found, k).strategy.name.startswith("renormalize")]

    @cached_property
    def _params(self) -> BeforeAfter:
        return self._figures(list(self._dump.named.values()))

    @cached_property
    def _layers(self) -> BeforeAfter:
        return self._figures(list(self._dump.layers.values()))

    def _figures(self, groups: Sequence[Sequence[int]]) -> BeforeAfter:
        decisions = [self._of[indices[0]] for indices in groups]
        return BeforeAfter.of(groups, decisions, self._dump.stats, self._after, self._plan)

    def _decision(self, figures: BeforeAfter, k: int) -> Decision:
        """Return the decision for group `k`, which is that for its first tensor."""
        return self._of[figures.groups[k][0]]

    def _clipped(self, indices: Sequence[int]) -> int:
        """Count the clipped elements of a tensor: all or none of them where it has a factor."""
        factor = self._of[indices[0]].action.factor
        if factor is None or factor == 1:
            return sum([self._single.get(index, 0) for index in indices]) if self._single else 0
        return sum([self._dump.tensors[index].size for index in indices])

    def _param(self, k: int) -> ApplyParam:
        found = self._params
        if k >= len(found.groups):
            return self._uncounted_param(k - len(found.groups))
        indices, decision = found.groups[k], self._decision(found, k)
        first, factor, clipped = indices[0], decision.action.factor, self._clipped(indices)
        return ApplyParam(
            self._dump.own_name(first),
            *self._dump.places[first],
            shape=self._dump.shape(indices),
            dtype=self._dump.tensors[first].dtype.name,
            elements=found.elements.item(k),
            norm_before=found.norm_before.item(k),
            norm_after=found.norm_after.item(k),
            max_abs_before=found.peak_before.item(k),
            max_abs_after=found.peak_after.item(k),
            factor=factor,
            clipped=clipped > 0 or factor not in (1, None),
            clipped_elements=clipped,
            zeros=found.zeros.item(k),
            nonfinite=found.nonfinite.item(k),
            underflowed=found.underflowed.item(k),
            strategy=decision.strategy.name,
            threshold=decision.threshold,
        )

    def _uncounted_param(self, k: int) -> ApplyParam:
        """Make the row of a tied tensor, or of one that is left out."""
        if k >= len(self._tied):
            return self._excluded_param(self._left_out[k - len(self._tied)])
        indices = self._tied[k]
        originals = list(dict.fromkeys(self._dump.copies[index] for index in indices))
        decision, clipped = self._of[originals[0]], self._clipped(originals)
        row = self._excluded_param(indices[0])
        return row._replace(
            shape=self._dump.shape(indices),
            elements=sum(self._dump.tensors[index].size for index in originals),
            factor=(factor := decision.action.factor),
            clipped=clipped > 0 or factor not in (1, None),
            clipped_elements=clipped,
            strategy=decision.strategy.name,
            threshold=decision.threshold,
        )

    def _excluded_param(self, index: int) -> ApplyParam:
        """Make the row of a tensor that is left out, without figures."""
        spec, place, shape = self._dump.tensors[index], self._dump.places[index], self._dump.shape([index])
        return ApplyParam(
            name=self._dump.own_name(index),
            layer=place.layer,
            param=place.param,
            shape=shape,
            dtype=spec.dtype.name,
            elements=math.prod(shape or ()),
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
            layer=self._dump.places[indices[0]].layer,
            params=len(params),
            elements=found.elements.item(k),
            norm_before=found.norm_before.item(k),
            norm_after=found.norm_after.item(k),
            factor=_in_common(factors),
            clipped=any(changed),
            strategy=decision.strategy.name,
            threshold=decision.threshold,
            peak_before=found.peak_before.item(k),
            peak_after=found.peak_after.item(k),
            params_clipped=sum(changed),
            limited=sum(clipped) if single else None,
        )

    def _by_name(self, indices: Sequence[int]) -> list[list[int]]:
        params: dict[str, list[int]] = {}
        for index in indices:
            params.setdefault(self._dump.tensors[index].name, []).append(index)
        return list(params.values())

    def _total(self) -> ApplyTotal:
        before, after = (stats.total(self._types) for stats in (self._dump.stats, self._after))
        groups = [
            decision.action.factor for group, decision in self._decisions if group.strategy.group is not Group.NONE
        ]
        whole = [factor for factor in groups if factor is not None]
        elementwise = bool(groups) and not whole
        return ApplyTotal(
            tensors=len(self._dump.named),
            elements=before.elements,
            norm_before=before.as_read(before.norm(0, self._types[0])),
            norm_after=after.as_read(after.norm(0, self._types[0])),
            max_abs_before=before.as_read(before.max_abs),
            max_abs_after=after.as_read(after.max_abs),
            groups=None if elementwise else len(whole),
            clipped_groups=None if elementwise else sum(factor != 1 for factor in whole),
            clipped_elements=sum(map(self._clipped, self._params.groups)),
        )


def _in_common(values: Sequence[Value | None]) -> Value | None:
    """Return the value that all share, or None; compare by repr, since NaN does not equal itself."""
    return values[0] if len(values) == 1 or len(set(map(repr, values))) == 1 else None
