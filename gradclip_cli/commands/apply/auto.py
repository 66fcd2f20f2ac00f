"""The rule `auto` in `apply`: choose for each strategy the threshold that `stats` advises for the same dumps."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.apply.groups import NormGroup, rule_norms
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.notes import Note
from gradclip_cli.strategies import Strategy
from gradclip_cli.strategies.base import Norm
from gradclip_cli.text import plural
from gradclip_cli.thresholds.advised import Choice, auto
from gradclip_cli.thresholds.base import MIN_STEPS
from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from gradclip_cli.thresholds.rules import AUTO, AutoRule


class AutoChoice(NamedTuple):
    """What `auto` has chosen for a strategy, and the note that says so."""

    strategy: Strategy
    choice: Choice
    note: Note


def choose_auto(plan: ApplyPlan, partitions: Sequence[list[NormGroup]], paths: Sequence[str] = ()) -> list[AutoChoice]:
    """Choose the advised threshold for each strategy that is to take it; `partitions` holds the groups of each dump, in order.

    Raises InputError where none is advised, and names the first of `paths`.
    """
    used = dict.fromkeys(
        group.strategy for groups in partitions for group in groups if isinstance(group.threshold, AutoRule)
    )
    if not any(partitions) and isinstance(plan.threshold, AutoRule):
        used = {plan.strategy: None}
    epsilon = (plan.norm or Norm()).epsilon
    found = []
    for strategy in used:
        choice = auto(strategy, _table(strategy, plan, partitions), epsilon, next(iter(paths), None))
        found.append(AutoChoice(strategy, choice, _note(strategy, choice, len(partitions))))
    return found


def _table(strategy: Strategy, plan: ApplyPlan, partitions: Sequence[list[NormGroup]]) -> NormTable:
    """Return the norms that a strategy compares under `auto`, dumps × groups."""
    limited = [[one for one in groups if one.strategy == strategy and one.threshold == AUTO] for groups in partitions]
    norms = iter(rule_norms([group for groups in limited for group in groups], plan))
    own = [{group.key: next(norms) for group in groups} for groups in limited]
    sizes = {key: norms.size for found in own for key, norms in found.items()}
    starts = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
    matrix = np.zeros((len(own), sum(sizes.values())))
    absent = np.ones(matrix.shape, np.bool_)
    for row, missing, found in zip(matrix, absent, own, strict=True):
        for key, values in found.items():
            at = slice(starts[key], starts[key] + sizes[key])
            row[at], missing[at] = values, False
    names = [_name(key) for key, size in sizes.items() for _ in range(size)]
    return NormTable(names, matrix, absent if absent.any() else None)


def _name(key: tuple[object, ...]) -> GroupName:
    """Return the name of a group: that of its layer or tensor, or none for a whole dump."""
    return GroupName(key[1]) if isinstance(key[1], str) else GroupName()


def _note(strategy: Strategy, choice: Choice, dumps: int) -> Note:
    few = f", from {plural(dumps, 'dump')} only, which is few" if dumps < MIN_STEPS else ""
    return Note("auto", f"-t {AUTO}: {strategy.name} at {choice.threshold:.6g}, by {choice.rule}{few}")
