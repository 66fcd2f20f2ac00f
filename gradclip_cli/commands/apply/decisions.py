"""Decide what to do to the dumps of a plan, once all of them are measured."""

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.adaptive import resolve_adaptive
from gradclip_cli.commands.apply.auto import choose_auto
from gradclip_cli.commands.apply.group_decision import Decision, decide_group
from gradclip_cli.commands.apply.groups import NormGroup, norm_groups, rule_norms, whole_norms
from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.commands.apply.units import BROKEN, WITHOUT
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import check_taken
from gradclip_cli.engine.series_tensors import SeriesTensors
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.units import apart_notes
from gradclip_cli.engine.weights import Weights
from gradclip_cli.errors import NonFiniteError, UsageError
from gradclip_cli.inputs.captured import outstanding_note
from gradclip_cli.inputs.patterns import unmatched
from gradclip_cli.notes import Note
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.strategies.action_table import ActionTable
from gradclip_cli.strategies.actions import UNCHANGED, Action
from gradclip_cli.text import printable
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.rules import AUTO, AutoRule, Chooser, Rule, choose
from gradclip_cli.thresholds.samples import NormSamples

if TYPE_CHECKING:
    from gradclip_cli.strategies import Strategy

Chosen = dict[tuple[str, Chooser], float]
"""The threshold that each rule has chosen, by strategy name and rule; groups hold those of adaptive rules themselves."""

_FEW = 16
Column = NDArray[Any]

_MOST = 8
"""The most tensors with NaN or infinities that an error names."""


class DumpDecisions(NamedTuple):
    """A dump, and the decision for each of its groups."""

    dump: MeasuredDump
    decisions: Sequence[tuple[NormGroup, Decision]]

    @property
    def actions(self) -> ActionTable:
        """The action for each tensor that changes, by its index; copies of tensors change like those."""
        codes, stats = np.full(len(self.dump.tensors), -1, np.int32), self.dump.stats
        figures = stats.stored_max_abs, stats.nan, stats.infinite
        every = [decision.action for _, decision in self.decisions]
        for k, (group, decision) in enumerate(self.decisions):
            if group.units is not None:
                for index, action in decision.of_units(group.units.units).items():
                    codes[_changed(action, [index], stats, figures)] = len(every)
                    every.append(action)
            elif decision.action is not UNCHANGED:
                codes[_changed(decision.action, group.members, stats, figures)] = k
        for copy, original in self.dump.copies.items():
            codes[copy] = codes[original]
        return ActionTable(every, codes)


def _changed(action: Action, members: Sequence[int], stats: StatsTable, figures: Sequence[Column]) -> Sequence[int]:
    """Return those of some tensors that an action changes; `figures` has a row for each of a table."""
    if len(members) < _FEW:  # each call for arrays takes as long as for so many numbers
        rows = map(stats.row, members)
        return [k for k, row in zip(members, rows, strict=True) if action.changes(*(one.item(row) for one in figures))]
    at = np.asarray(members, np.int64)
    rows_of_all = stats.rows(at)
    marked = np.asarray(action.changes(*(one[rows_of_all] for one in figures)))
    found: list[int] = at[np.broadcast_to(marked, at.shape)].tolist()
    return found


class Decisions(NamedTuple):
    """The decisions for all dumps, the thresholds that rules have chosen, and notes on the series for the user.

    `advised` names the rules behind `auto`, by strategy name.
    """

    dumps: list[DumpDecisions]
    chosen: Chosen
    notes: list[Note]
    advised: Mapping[str, str]

    def threshold(self, plan: ApplyPlan) -> float | None:
        """Return the threshold of the plan's own strategy; None where each step has its own."""
        if isinstance(plan.threshold, Rule | AutoRule):
            return self.chosen.get((plan.strategy.name, plan.threshold))
        return None if isinstance(plan.threshold, AdaptiveRule) else plan.threshold

    def rule(self, plan: ApplyPlan) -> str | None:
        """Return the rule that has chosen the plan's own threshold: the advised one for `auto`; None for a number."""
        if isinstance(plan.threshold, AutoRule):
            return self.advised.get(plan.strategy.name)
        return str(plan.threshold) if isinstance(plan.threshold, Rule | AdaptiveRule) else None


def decide(
    plan: ApplyPlan, dumps: Sequence[MeasuredDump], weights: Weights | None = None, run: Run | None = None
) -> Decisions:
    """Decide for all dumps, in the order of their steps; raise a GradclipError where the plan does not fit them.

    A rule that looks at elements again needs the run.
    """
    check_taken(dumps, plan.selection)
    dumps, differences = as_series(plan, dumps)
    check_layers(dumps, plan.overrides)
    if plan.nonfinite == "error":
        refuse_nonfinite(dumps)
    paths = [dump.source.files[0] for dump in dumps]
    partitions = [norm_groups(dump, plan, weights) for dump in dumps]
    differences = [*differences, *_on_units(plan, dumps, partitions, weights)]
    again = None if run is None else (dumps, run)
    groups, notes = resolve_adaptive(plan, partitions, paths, whole_norms(plan, dumps), again)
    usual = _without_outstanding(dumps)
    samples, own_paths = [groups[k] for k in usual], [paths[k] for k in usual]
    chosen, more = choose_thresholds(plan, samples, own_paths)
    autos = choose_auto(plan, samples, own_paths)
    if len(usual) < len(dumps) and plan.has_rule:
        more.append(outstanding_note(len(dumps) - len(usual), len(usual)))
    chosen |= {(one.strategy.name, AUTO): one.choice.threshold or math.inf for one in autos}
    decided = [DumpDecisions(dump, decide_groups(plan, own, chosen)) for dump, own in zip(dumps, groups, strict=True)]
    advised = {one.strategy.name: one.choice.rule for one in autos}
    return Decisions(decided, chosen, [*differences, *notes, *more, *(one.note for one in autos)], advised)


def _on_units(
    plan: ApplyPlan, dumps: Sequence[MeasuredDump], partitions: Sequence[list[NormGroup]], weights: Weights | None
) -> list[Note]:
    """Return notes on units of pieces, and on what lacks weights; raise InputError where none of the weights belongs to a gradient."""
    found = []
    for dump, groups in zip(dumps, partitions, strict=True):
        apart = [str(one.key[1]) for one in groups if one.units is not None and one.units.units.apart]
        found += apart_notes(dump.source.location, apart)
    if weights is None:
        return found
    weights.check()
    return [*found, *weights.notes(WITHOUT, BROKEN.get(plan.nonfinite, ""))]


def _without_outstanding(dumps: Sequence[MeasuredDump]) -> Sequence[int]:
    """Return which dumps rules choose from: those that were not captured for what they are like, or all if there are no others."""
    return [k for k, dump in enumerate(dumps) if not dump.stood_out] or range(len(dumps))


def as_series(plan: ApplyPlan, dumps: Sequence[MeasuredDump]) -> tuple[Sequence[MeasuredDump], list[Note]]:
    """Give dumps the names and layers of their series, where a rule is over all of them; return notes on those that differ.

    Raises InputError where their tensors differ and the plan does not allow it. Under a number, dumps have nothing in common.
    """
    if len(dumps) == 1 or not (plan.allow_missing or plan.has_rule):
        return dumps, []
    tensors = SeriesTensors(plan.selection.naming, plan.allow_missing, any_shape=True)
    taken = [tensors.take(dump) for dump in dumps]
    tensors.settle()
    return [tensors.placed(dump) for dump in taken], tensors.notes


def check_layers(dumps: Sequence[MeasuredDump], overrides: Sequence[Override]) -> None:
    """Raise UsageError where the pattern of an override matches no layer of any dump."""
    layers = {layer for dump in dumps for layer in dump.layers} if overrides else set()
    for override in overrides:
        if not any(fnmatchcase(layer, override.pattern) for layer in layers):
            raise UsageError(unmatched("--layer", override.pattern, layers, "layer"))


def refuse_nonfinite(dumps: Sequence[MeasuredDump]) -> None:
    """Raise NonFiniteError where any tensor holds NaN or infinities, and name the first few."""
    found = [(dump, dump.located(k), dump.stats[k]) for dump in dumps for k in dump.stats.with_nonfinite()]
    if not found:
        return
    path = found[0][0].source.location
    parts = [
        f"{'' if dump.source.location == path else printable(dump.source.location) + ': '}"
        f"{_shortened(name)} ({_counts(stats)})"
        for dump, name, stats in found[:_MOST]
    ]
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    raise NonFiniteError(
        f"{', '.join(parts)}{more}; choose what to do with --nonfinite zero, skip or propagate", path=path
    )


def choose_thresholds(
    plan: ApplyPlan, groups: Sequence[list[NormGroup]], paths: Sequence[str] = ()
) -> tuple[Chosen, list[Note]]:
    """Choose the threshold of each rule from the norms of all dumps that it limits; return notes on them, too.

    `groups` holds the groups of each dump, `paths` the file of each to name in errors.
    """
    first: dict[tuple[Strategy, Rule], str] = {}
    samples: dict[tuple[Strategy, Rule], list[NormGroup]] = {}
    if not any(groups) and isinstance(plan.threshold, Rule):
        samples[
            plan.strategy, plan.threshold
        ] = []  # having no norm to choose from is an error, even where there is nothing to clip
    for path, group in ((path, one) for own, path in zip_longest(groups, paths) for one in own):
        if isinstance(group.threshold, Rule):
            key = group.strategy, group.threshold
            first.setdefault(key, path)
            samples.setdefault(key, []).append(group)
    chosen: Chosen = {
        (s.name, rule): choose(rule, NormSamples(_flat(rule_norms(limited, plan))), s.name, first.get((s, rule)))
        for (s, rule), limited in samples.items()
    }
    notes = [
        Note("one-norm", f"-t {rule}: {strategy.name} has only one norm here, {plan.with_single_norm(strategy)}")
        for (strategy, rule), limited in samples.items()
        if len(limited) == 1
    ]
    return chosen, notes


def _flat(norms: Sequence[Column]) -> Column:
    return np.concatenate(norms) if norms else np.empty(0)


def decide_groups(plan: ApplyPlan, groups: Sequence[NormGroup], chosen: Chosen) -> list[tuple[NormGroup, Decision]]:
    """Decide for each group what to do, from its norm and its threshold."""
    found = []
    for group in groups:
        threshold = group.threshold
        if isinstance(threshold, Chooser):
            threshold = chosen[group.strategy.name, threshold]
        found.append((group, decide_group(plan, group, threshold)))
    return found


def _counts(stats: TensorStats) -> str:
    counted = ((stats.nan, "NaN"), (stats.posinf, "+Inf"), (stats.neginf, "-Inf"))
    return ", ".join(f"{number} {word}" for number, word in counted if number)


def _shortened(name: str) -> str:
    text = printable(name)
    return text if len(text) <= 60 else f"{text[:28]} .. {text[-28:]}"
