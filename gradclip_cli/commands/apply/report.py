"""Assemble the report of `apply` from the statistics before and after."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.decisions import Decisions, DumpDecisions
from gradclip_cli.commands.apply.nonfinite import treatment
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.commands.apply.rewrite import Written
from gradclip_cli.commands.apply.rows import DumpRows
from gradclip_cli.engine.rewrite import Rewritten
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.lazy_rows import LaterRows, LazyRows
from gradclip_cli.notes import Note, merged
from gradclip_cli.reports.apply import ApplyDump, ApplyReport, ApplyTotal
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.strategies import Group
from gradclip_cli.text import plural, shortlist

_MOST_NAMED = 4
"""The most tensors with rounded elements that a note names."""


def summarize(
    plan: ApplyPlan, decided: Decisions, written: Mapping[DumpSource, Written], outputs: Outputs | None = None
) -> ApplyReport:
    """Report all dumps, with notes; those on an output come after those on the first dump in it."""
    targets = dict(zip(plan.inputs, plan.outputs, strict=True))
    dumps, notes, seen = list[ApplyDump](), [*plan.notes, *decided.notes], set[DumpSource]()
    factors = list[int]()
    for one in decided.dumps:
        source = one.dump.source
        summary = ApplySummary(one, written[source].of(one.dump), plan)
        dumps.append(summary.report(targets[source]))
        factors.append(len(summary.finite_factors))
        notes += [*one.dump.notes, *(() if source in seen else written[source].notes), *summary.notes()]
        seen.add(source)
    norm, clipped = plan.measured, [dump for dump in dumps if dump.total.clipped]
    skipped = [dump for dump in dumps if dump.total.skipped_groups]
    return ApplyReport(
        strategy=plan.strategy.name,
        threshold=decided.threshold(plan),
        norm_type=norm.type,
        epsilon=norm.epsilon,
        nonfinite=plan.nonfinite,
        dumps=dumps,
        notes=merged(notes),
        clipped_dumps=len(clipped),
        clipped_steps=[dump.step for dump in clipped if dump.step is not None],
        mean_factor=_mean_factor(dumps, factors),
        output_dtype=plan.output_dtype,
        files_written=outputs.files if outputs else 0,
        bytes_written=outputs.nbytes if outputs else 0,
        limits=_limits(plan, decided),
        unit=_unit(plan),
        target=_target(plan),
        rule=decided.rule(plan),
        skipped_dumps=len(skipped),
        skipped_steps=[dump.step for dump in skipped if dump.step is not None],
    )


def _mean_factor(dumps: Sequence[ApplyDump], factors: Sequence[int]) -> float | None:
    """Return the mean of all finite factors, of which each dump has so many; None if there is none."""
    number = sum(factors)
    sums = ((dump.total.mean_factor or 0) * count for dump, count in zip(dumps, factors, strict=True))
    return math.fsum(sums) / number if number else None


def _limits(plan: ApplyPlan, decided: Decisions) -> str:
    """Say what the threshold is: a number, with the rule that chose it, or the rule alone where each step has its own."""
    found, rule = decided.threshold(plan), decided.rule(plan)
    number = "" if found is None else f"{found:.4g}"
    if rule is not None:
        number = f"{number} ({rule})" if number else rule
    own = f"{plural(len(plan.overrides), 'rule')} of --layer" if plan.overrides else ""
    return ", ".join(text for text in (number, own) if text)


def _unit(plan: ApplyPlan) -> str:
    """Return what shares a norm under all strategies of a plan; `group` if they differ."""
    groups = {plan.strategy.group, *(one.strategy.group for one in plan.overrides if one.strategy)}
    groups -= {Group.NONE} if len(groups) > 1 else set()
    return groups.pop().value if len(groups) == 1 else "group"


def _target(plan: ApplyPlan) -> str | None:
    """Return the file or directory that was written to; None in place, and in a dry run."""
    if plan.folder is not None:
        return plan.folder
    outputs = [output.location for output in plan.outputs if output]
    if len(outputs) != 1:
        return None
    return outputs[0] if outputs[0] == STANDARD or outputs[0] != plan.inputs[0].location else None


class ApplySummary:
    """One dump before and after."""

    def __init__(self, decided: DumpDecisions, after: Rewritten, plan: ApplyPlan) -> None:
        self._rows = DumpRows(decided, after, plan)
        self._dump, self._decisions = decided
        self._plan = plan
        self._treated = treatment(decided, plan)

    def report(self, output: DumpOutput | None) -> ApplyDump:
        """Report this dump: layers in natural order, tensors by layer, and last those that count in no norm."""
        dump, layout, rows = self._dump, self._dump.source.layout, self._rows
        return ApplyDump(
            input=dump.source.label,
            output=layout.label(output.location, output.files) if output else None,
            step=dump.step,
            total=self._total(),
            layers=LazyRows(rows.layer, range(len(dump.layers))),
            params=LazyRows(rows.param, range(len(rows))),
            labels=dump.labels,
            name=dump.source.name,
            blocks=LaterRows(rows.block, lambda: range(len(rows.blocks.groups))),
            largest_layers=LaterRows(rows.layer, lambda: rows.largest(rows.layers)),
            largest_blocks=LaterRows(rows.block, lambda: rows.largest(rows.blocks)),
            largest_params=LaterRows(rows.param, lambda: rows.largest(rows.params)),
            module_kinds=LaterRows(rows.kind, lambda: range(len(rows.kinds.groups))),
            treated=self._treated.text if self._treated else None,
        )

    @cached_property
    def finite_factors(self) -> list[float]:
        """The factors of all groups that are finite numbers."""
        return [factor for factor in self._factors.tolist() if math.isfinite(factor)]

    @cached_property
    def _factors(self) -> NDArray[np.float64]:
        """The factors of all groups that have one: one a group, or one for each of its units."""
        decided = [decision for group, decision in self._decisions if group.strategy.group is not Group.NONE]
        whole = [one.action.factor for one in decided if one.ratios is None]
        units = [one.ratios.factors for one in decided if one.ratios is not None]
        return np.concatenate([np.array([factor for factor in whole if factor is not None]), *units])

    def notes(self) -> list[Note]:
        """Note what no threshold asked for: layers of norm 0, treated NaN, and elements rounded to zero or to infinity."""
        path, notes = self._dump.source.location, list[Note]()
        if renormalized := self._renormalized():
            notes.append(Note("norm-0", f"{path}: norm 0, left as it is: {shortlist(renormalized)}"))
        if self._treated:
            notes.append(self._treated._replace(text=f"{path}: {self._treated.text}"))
        for kind, counts, to in (
            ("underflow", self._rows.params.underflowed, "zero"),
            ("overflow", self._rows.params.overflowed, "infinity"),
        ):
            if counts.any():
                which = [self._dump.own_name(self._rows.params.groups[k][0]) for k in np.flatnonzero(counts).tolist()]
                what = f"{plural(int(counts.sum()), 'element')} rounded to {to} in {shortlist(which, _MOST_NAMED)}"
                narrow = self._plan.output_dtype in ("float16", "bfloat16")
                what += "; --output-dtype float32 has more room" if narrow else ""
                notes.append(Note(kind, f"{path}: {what}", int(counts.sum()), changes_figures=kind == "overflow"))
        return notes

    def _renormalized(self) -> list[str]:
        """Return the layers that a strategy should have divided by their norm, which is 0."""
        if not any(group.strategy.name.startswith("renormalize") for group, _ in self._decisions):
            return []
        names, found = list(self._dump.layers), self._rows.layers
        none = np.flatnonzero(found.norm_before == 0).tolist()
        return [names[k] for k in none if self._rows.decision(found, k).strategy.name.startswith("renormalize")]

    def _total(self) -> ApplyTotal:
        rows, types = self._rows, self._rows.types
        before, after = (stats.total(types) for stats in (self._dump.stats, rows.after))
        decided = [pair for pair in self._decisions if pair[0].strategy.group is not Group.NONE]
        lowest = [(decision.lowest, group) for group, decision in decided]
        whole = [(factor, group) for factor, group in lowest if factor is not None]
        elementwise = bool(decided) and not whole
        skipped = sum([decision.skips for _, decision in self._decisions])
        finite, factors = self.finite_factors, self._factors
        least = min(whole, key=lambda pair: (pair[0], str(pair[1].key[1])), default=None)
        return ApplyTotal(
            tensors=len(self._dump.named),
            elements=before.elements,
            norm_before=before.as_read(before.norm(0, types[0])),
            norm_after=after.as_read(after.norm(0, types[0])),
            max_abs_before=before.as_read(before.max_abs),
            max_abs_after=after.as_read(after.max_abs),
            groups=None if elementwise else factors.size,
            clipped_groups=None if elementwise else int(np.count_nonzero(factors != 1)) - skipped,
            clipped_elements=rows.clipped_elements,
            mean_factor=math.fsum(finite) / len(finite) if finite else None,
            underflowed=int(rows.params.underflowed.sum()),
            overflowed=int(rows.params.overflowed.sum()),
            finite_norm_before=before.norm(0, types[0]),
            replaced=before.nan + before.posinf + before.neginf if self._plan.nonfinite == "zero" else 0,
            least_factor=least[0] if least else None,
            skipped_groups=skipped,
            least=str(least[1].key[1]) if least and least[1].strategy.group is not Group.DUMP else "",
        )
