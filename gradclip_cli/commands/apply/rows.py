"""Make the rows of one dump in the report of `apply`: params, layers and blocks, before and after."""

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypedDict, TypeVar

import numpy as np

from gradclip_cli.commands.apply.before_after import BeforeAfter
from gradclip_cli.commands.apply.decisions import DumpDecisions
from gradclip_cli.commands.apply.group_decision import Decision
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.rewrite import Rewritten
from gradclip_cli.inputs.naming import kind_of
from gradclip_cli.lazy_rows import Coded
from gradclip_cli.numerics.groups import Groups, groups_of
from gradclip_cli.reports.apply import ApplyBlock, ApplyKind, ApplyLayer, ApplyParam
from gradclip_cli.spec_table import picked, sizes_of

Value = TypeVar("Value")


class UnitFigures(TypedDict, total=False):
    """The fields of a row that only tensors in units have."""

    units: int
    clipped_units: int
    min_factor: float


class DumpRows:
    """One dump before and after; its rows are made one by one, since a dump may hold a million tensors."""

    def __init__(self, decided: DumpDecisions, after: Rewritten, plan: ApplyPlan) -> None:
        self.dump, self.decisions = decided
        self.plan, self.types = plan, plan.norm_types
        self.of = _of_tensors(decided)  # the decision for each tensor that counts, by its index
        self._single = after.clipped
        self.after = self.dump.stats.updated_by(after.stats)
        self.tied = list(self.dump.tied.values())
        self.left_out = self.dump.left_out

    def __len__(self) -> int:
        """Return the number of params: of those that count, then tied ones, then those that are left out."""
        return len(self.dump.named) + len(self.tied) + len(self.left_out)

    @cached_property
    def params(self) -> BeforeAfter:
        """The tensors that count, in the order of their layers."""
        return self._figures(groups_of(self.dump.named))

    @cached_property
    def layers(self) -> BeforeAfter:
        """The layers in natural order."""
        return self._figures(groups_of(self.dump.layers))

    @cached_property
    def blocks(self) -> BeforeAfter:
        """The blocks in natural order."""
        return self._joined(self.plan.selection.naming.block)

    @cached_property
    def kinds(self) -> BeforeAfter:
        """The kinds of modules, in the order of their first layers."""
        return self._joined(kind_of)

    def _joined(self, name_of: Callable[[str], str]) -> BeforeAfter:
        """Compare layers that have the same name by a function, together."""
        found: dict[str, list[int]] = {}
        for layer, indices in self.dump.layers.items():
            found.setdefault(name_of(layer), []).extend(indices)
        return self._figures(list(found.values()))

    @cached_property
    def norm(self) -> float:
        """The norm of the whole dump before, of its finite elements."""
        return self.dump.stats.total(self.types).norm(0, self.types[0])

    @staticmethod
    def largest(found: BeforeAfter) -> list[int]:
        """Return the groups by their norms before, the largest first; above all those that are not finite, by their other elements."""
        finite = np.isfinite(found.norm_before)
        order: list[int] = np.lexsort((-found.finite_before, finite)).tolist()
        return order

    def _figures(self, groups: Sequence[Sequence[int]]) -> BeforeAfter:
        firsts = Groups.of(groups).firsts
        decisions = Coded(self.of.values, self.of.codes[firsts])
        return BeforeAfter.of(groups, decisions, self.dump.stats, self.after, self.plan)

    def decision(self, figures: BeforeAfter, k: int) -> Decision:
        """Return the decision for group `k`, which is that for its first tensor."""
        decision: Decision = self.of[figures.groups[k][0]]
        return decision

    def clipped(self, indices: Sequence[int]) -> int:
        """Count the clipped elements of a tensor: all or none of them where it has a factor."""
        decision = self.of[indices[0]]
        if not decision.scales:
            return sum([self._single.get(index, 0) for index in indices]) if self._single else 0
        return sum([self.dump.tensors[index].size for index in indices])

    @property
    def clipped_elements(self) -> int:
        """Count the clipped elements of all tensors that count."""
        whole = np.array([decision.scales for decision in self.of.values], np.bool_)
        at, single = self.dump.stats.at, self._single
        scaled = whole[self.of.codes[at]] if whole.size else np.zeros(at.size, np.bool_)
        rest = set(single).intersection(at[~scaled].tolist()) if single else ()
        sizes = np.array(sizes_of(picked(self.dump.tensors, at[scaled])), np.int64)
        return int(sizes.sum()) + sum(single[index] for index in rest)

    def param(self, k: int) -> ApplyParam:
        """Make the row of a tensor; those that count come first."""
        found = self.params
        if k >= len(found.groups):
            return self._uncounted_param(k - len(found.groups))
        indices, decision = found.groups[k], self.decision(found, k)
        first, factor, clipped = indices[0], decision.action.factor, self.clipped(indices)
        return ApplyParam(
            self.dump.own_name(first),
            *self.dump.places[first],
            shape=self.dump.shape(indices),
            dtype=self.dump.tensors[first].dtype.name,
            elements=found.elements.item(k),
            norm_before=found.norm_before.item(k),
            norm_after=found.norm_after.item(k),
            max_abs_before=found.peak_before.item(k),
            max_abs_after=found.peak_after.item(k),
            factor=factor,
            clipped=clipped > 0 or decision.scales,
            clipped_elements=clipped,
            zeros=found.zeros.item(k),
            nonfinite=found.nonfinite.item(k),
            underflowed=found.underflowed.item(k),
            strategy=decision.strategy.name,
            threshold=decision.threshold,
            overflowed=found.overflowed.item(k),
            replaced=found.nonfinite.item(k) if self.plan.nonfinite == "zero" else 0,
            **_of_units(decision),
        )

    def _uncounted_param(self, k: int) -> ApplyParam:
        """Make the row of a tied tensor, or of one that is left out."""
        if k >= len(self.tied):
            return self._excluded_param(self.left_out[k - len(self.tied)])
        indices = self.tied[k]
        originals = list(dict.fromkeys(self.dump.copies[index] for index in indices))
        decision, clipped = self.of[originals[0]], self.clipped(originals)
        return self._excluded_param(indices[0])._replace(
            shape=self.dump.shape(indices),
            elements=sum(self.dump.tensors[index].size for index in originals),
            factor=decision.action.factor,
            clipped=clipped > 0 or decision.scales,
            clipped_elements=clipped,
            strategy=decision.strategy.name,
            threshold=decision.threshold,
            **_of_units(decision),
        )

    def _excluded_param(self, index: int) -> ApplyParam:
        """Make the row of a tensor that is left out, without figures."""
        spec, place, shape = self.dump.tensors[index], self.dump.places[index], self.dump.shape([index])
        return ApplyParam(
            name=self.dump.own_name(index),
            layer=place.layer,
            param=place.param,
            shape=shape,
            dtype=spec.dtype.name,
            elements=math.prod(shape or ()),
        )

    def layer(self, k: int) -> ApplyLayer:
        """Make the row of a layer."""
        return self._group(self.layers, k)

    def block(self, k: int) -> ApplyBlock:
        """Make the row of a block."""
        return self._with_share(self.blocks, k, self.plan.selection.naming.block)

    def kind(self, k: int) -> ApplyKind:
        """Make the row of a kind of module."""
        return ApplyKind._make(self._with_share(self.kinds, k, kind_of))

    def _with_share(self, found: BeforeAfter, k: int, name_of: Callable[[str], str]) -> ApplyBlock:
        row, p = self._group(found, k), self.types[0]
        norm = found.finite_before.item(k) if self.plan.nonfinite == "zero" else row.norm_before
        share = (norm / self.norm) ** p if self.norm and p != math.inf else math.nan
        return ApplyBlock(
            name_of(row.layer),
            params=row.params,
            elements=row.elements,
            norm_before=row.norm_before,
            norm_after=row.norm_after,
            share=share if math.isfinite(share) else None,
            factor=row.factor,
            clipped=row.clipped,
            peak_before=row.peak_before,
            peak_after=row.peak_after,
            params_clipped=row.params_clipped,
            limited=row.limited,
            units=row.units,
        )

    def _group(self, found: BeforeAfter, k: int) -> ApplyLayer:
        indices, decision = found.groups[k], self.decision(found, k)
        params = [indices] if len(indices) == 1 else self._by_name(indices)
        decisions = [self.of[pieces[0]] for pieces in params]
        factors = [one.action.factor for one in decisions]
        clipped = [self.clipped(pieces) for pieces in params]
        changed = [number > 0 or one.scales for number, one in zip(clipped, decisions, strict=True)]
        units = [_of_units(one) for one in decisions]
        single = None in factors and any(number for number, one in zip(clipped, factors, strict=True) if one is None)
        return ApplyLayer(
            layer=self.dump.places[indices[0]].layer,
            params=len(params),
            elements=found.elements.item(k),
            norm_before=found.norm_before.item(k),
            norm_after=found.norm_after.item(k),
            factor=_in_common(factors),
            clipped=any(changed),
            strategy=decision.strategy.name,
            threshold=_in_common([one.threshold for one in decisions]),
            peak_before=found.peak_before.item(k),
            peak_after=found.peak_after.item(k),
            params_clipped=sum(changed),
            limited=sum(clipped) if single else None,
            units=(sum(one["clipped_units"] for one in units), sum(one["units"] for one in units))
            if all(units)
            else None,
        )

    def _by_name(self, indices: Sequence[int]) -> list[list[int]]:
        params: dict[str, list[int]] = {}
        for index in indices:
            params.setdefault(self.dump.tensors[index].name, []).append(index)
        return list(params.values())


def _of_units(decision: Decision) -> UnitFigures:
    """Return the fields of a tensor whose units have factors of their own."""
    if decision.ratios is None:
        return {}
    clipped = decision.ratios.clipped
    lowest = float(decision.ratios.factors.min())
    return {"units": clipped.size, "clipped_units": int(np.count_nonzero(clipped)), "min_factor": lowest}


def _of_tensors(decided: DumpDecisions) -> Coded[Decision]:
    """Return the decision for each tensor, by its index; that of a tensor that does not count means nothing."""
    codes = np.zeros(len(decided.dump.tensors), np.int32)
    for k, (group, _) in enumerate(decided.decisions):
        codes[group.members] = k
    return Coded([decision for _, decision in decided.decisions], codes)


def _in_common(values: Sequence[Value | None]) -> Value | None:
    """Return the value that all share, or None; compare by repr, since NaN does not equal itself."""
    return values[0] if len(values) == 1 or len(set(map(repr, values))) == 1 else None
