"""Adaptive rules in `apply`: give every group of every dump the threshold of its own step."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.apply.group_decision import too_large
from gradclip_cli.commands.apply.groups import NormGroup, rule_norms
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.limited_norms import Located, SeriesElements
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.tensor_places import TensorPlaces
from gradclip_cli.notes import Note
from gradclip_cli.numerics.norms import stored_limit
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import SKIPPED, UNCHANGED, Action, Scale, ScaleApart, ZeroNonfinite
from gradclip_cli.text import plural
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.base import require
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.samples import NormSamples
from gradclip_cli.thresholds.stable_spam import Limited

Use = tuple[Strategy, AdaptiveRule]
"""An adaptive rule, and the strategy that uses its thresholds."""


class _Place(NamedTuple):
    """One entry in the history of a group: the index of its dump, its index there, and the norm that the rule takes."""

    dump: int
    group: int
    norm: float


Histories = dict[tuple[object, ...], list[_Place]]
"""The norms of each group, by its key, in the order of the dumps that contain it."""


def resolve_adaptive(
    plan: ApplyPlan,
    partitions: Sequence[list[NormGroup]],
    paths: Sequence[str] = (),
    whole: Sequence[float] = (),
    again: tuple[Sequence[MeasuredDump], Run] | None = None,
) -> tuple[list[list[NormGroup]], list[Note]]:
    """Replace each adaptive rule by the threshold of its step; return the groups of each dump, and notes for the user.

    `partitions` holds the groups of each dump, in the order of steps, `paths` the files to name in errors, `whole` the norms
    of whole dumps, and `again` what a rule that rereads needs. A group's history covers the dumps that contain it. Raises
    InputError where a rule has no finite norm at all.
    """
    settled, notes = [list(groups) for groups in partitions], list[Note]()
    for (strategy, rule), histories in _histories(plan, partitions).items():
        samples = NormSamples(place.norm for places in histories.values() for place in places)
        require(rule, samples, strategy.name, next(iter(paths), None))
        elements = _elements(plan, histories, partitions, *again) if rule.rereads and again is not None else None
        found = _replayed(rule, histories, whole, len(partitions), elements)
        for column, places in enumerate(histories.values()):
            for place in places:
                shared = settled[place.dump][place.group]
                settled[place.dump][place.group] = _settled(shared, found, place.dump, column, plan.nonfinite)
        notes += _notes(plan, (strategy, rule), histories, found)
    return settled, notes


def _elements(
    plan: ApplyPlan,
    histories: Histories,
    partitions: Sequence[list[NormGroup]],
    dumps: Sequence[MeasuredDump],
    run: Run,
) -> SeriesElements:
    """Return the elements of groups, dumps × groups; raise InputError for a norm above float64."""
    inside: list[list[tuple[int, NormGroup]]] = [[] for _ in dumps]
    for column, places in enumerate(histories.values()):
        for place in places:
            inside[place.dump].append((column, partitions[place.dump][place.group]))
    peaks, norms = (np.zeros((len(dumps), len(histories))) for _ in range(2))
    types, located = plan.norm_types, list[Located]()
    for k, (dump, own) in enumerate(zip(dumps, inside, strict=True)):
        columns, members = np.array([column for column, _ in own], np.int64), [group.members for _, group in own]
        located.append(Located(TensorPlaces.of(dump, members), columns))
        peaks[k, columns] = [group.norm for _, group in own]
        if own:  # the last kind of sums is that of squares
            norms[k, columns] = dump.stats.merge_groups(members, types).norms(len(types) - 1, 2.0)
    if np.isinf(norms).any():
        raise too_large(Group.TENSOR)
    return SeriesElements(located, peaks, norms, run)


def _replayed(
    rule: AdaptiveRule, histories: Histories, whole: Sequence[float], dumps: int, elements: SeriesElements | None
) -> Replay:
    """Replay a rule over the norms of groups, dumps × groups."""
    norms, present = np.zeros((dumps, len(histories))), np.zeros((dumps, len(histories)), np.bool_)
    for column, places in enumerate(histories.values()):
        rows = [place.dump for place in places]
        norms[rows, column] = [place.norm for place in places]
        present[rows, column] = True
    names = [str(key[1]) for key in histories] if rule.joins else ()
    return replay(rule, norms, present, np.array(whole), names, elements)


def _settled(shared: NormGroup, found: Replay, dump: int, column: int, nonfinite: str) -> NormGroup:
    """Return a group with the threshold of its step and, where the rule has one of its own, what is done to it."""
    shared = shared._replace(threshold=found.thresholds.item(dump, column))
    if found.limited is not None:
        return shared._replace(action=_apart(shared, found.limited, dump, column, nonfinite))
    if found.numerators is None or found.denominators is None:
        return shared
    if found.skipped[dump, column]:
        return shared._replace(action=SKIPPED)
    ratio = found.numerators.item(dump, column), found.denominators.item(dump, column)
    return shared._replace(action=UNCHANGED if ratio[0] == ratio[1] else Scale(*ratio))


def _apart(group: NormGroup, found: Limited, dump: int, column: int, nonfinite: str) -> Action:
    """Return what is done to a tensor, by the policy for NaN and infinities, too; `group` has its limit on elements."""
    within, largest, norm = (one.item(dump, column) for one in (found.numerators, found.largest, found.denominators))
    if not group.finite and nonfinite == "skip":
        return ScaleApart(math.inf, UNCHANGED, UNCHANGED)
    if not group.finite and nonfinite == "propagate":  # its norm is NaN or infinite, as its largest element is
        return ScaleApart(math.inf, Scale(within, group.as_read), UNCHANGED)
    limit = float(group.threshold) if found.clipped[dump, column] else math.inf  # type: ignore[arg-type]  # that of its step
    action = ScaleApart(stored_limit(limit, group.scale), Scale(within, norm), Scale(largest, norm))
    return action if group.finite else ZeroNonfinite(action)


def _histories(plan: ApplyPlan, partitions: Sequence[list[NormGroup]]) -> dict[Use, Histories]:
    """Collect the norms of each group, by the strategy and the rule that take them."""
    limited: dict[Use, list[tuple[int, int, NormGroup]]] = {}
    if not any(partitions) and isinstance(plan.threshold, AdaptiveRule):
        limited[plan.strategy, plan.threshold] = []
    for dump, groups in enumerate(partitions):
        for group, shared in enumerate(groups):
            if isinstance(rule := shared.threshold, AdaptiveRule):
                limited.setdefault((shared.strategy, rule), []).append((dump, group, shared))
    return {use: _by_group(places, plan) for use, places in limited.items()}


def _by_group(places: Sequence[tuple[int, int, NormGroup]], plan: ApplyPlan) -> Histories:
    found: Histories = {}
    norms = rule_norms([shared for _, _, shared in places], plan)
    for (dump, group, shared), norm in zip(places, norms, strict=True):
        found.setdefault(shared.key, []).append(_Place(dump, group, norm.item()))
    return found


def _notes(plan: ApplyPlan, use: Use, histories: Histories, found: Replay) -> list[Note]:
    strategy, rule = use
    steps = max(sum(math.isfinite(place.norm) for place in places) for places in histories.values())
    notes = []
    if steps <= (rule.warm_up or rule.needs_two):
        each = "" if strategy.group is Group.DUMP else " for each " + _GROUPS[strategy.group]
        few = "only one norm" if steps == 1 else f"only {steps} norms"
        verbs = ("skip nothing", "skipped") if rule.skips else ("clip nothing", "clipped")
        first = f"and the first {rule.warm_up} {verbs[0]}, so nothing will be {verbs[1]}"
        end = first if rule.warm_up else plan.with_single_norm(strategy)
        notes.append(Note("few-norms", f"-t {rule}: {strategy.name} has {few}{each} here, {end}"))
    if found.left:
        notes.append(Note("no-type", f"-t {rule}: {found.left_text}", found.left))
    if found.vanished:
        left = plural(found.vanished, "norm")
        what = f"not clipped, since the threshold of {strategy.name} would be 0: {left} above 0"
        notes.append(Note("threshold-0", f"-t {rule}: {what}"))
    return notes


_GROUPS = {Group.LAYER: "layer", Group.TENSOR: "tensor", Group.ELEMENT: "tensor"}
