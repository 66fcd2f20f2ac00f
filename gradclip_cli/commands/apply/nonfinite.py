"""Say what was done to NaN and infinities, which no threshold asks for."""

from gradclip_cli.commands.apply.decisions import DumpDecisions
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.notes import Note
from gradclip_cli.strategies import Group
from gradclip_cli.text import plural, shortlist

_KINDS = {"zero": "zeroed", "skip": "skipped", "propagate": "propagated"}
"""The kind of the note, by the policy."""

_MOST = 3
"""The most tensors that are named."""


def treatment(decided: DumpDecisions, plan: ApplyPlan) -> Note | None:
    """Return a note, without a path, on what the policy for NaN and infinities did to a dump; None if nothing."""
    if plan.nonfinite == "error" or not decided.dump.stats.with_nonfinite():
        return None
    what = {"zero": _zeroed, "skip": _skipped, "propagate": _propagated}[plan.nonfinite](decided)
    return Note(_KINDS[plan.nonfinite], what, changes_figures=True) if what else None


def _zeroed(decided: DumpDecisions) -> str:
    counts, names = _found(decided)
    return f"{counts} set to 0 in {names}"


def _skipped(decided: DumpDecisions) -> str:
    counts, names = _found(decided)
    groups = [group for group, _ in decided.decisions if not group.finite and group.strategy.group is not Group.NONE]
    whole = [group for group in groups if group.strategy.group is not Group.ELEMENT or group.action is not None]
    if not groups:
        return ""
    if not whole:
        return f"{counts} left as they are in {names}"
    if whole[0].strategy.group is Group.DUMP:
        return f"nothing clipped, since {names} has {counts}"
    kind = (Group.TENSOR if whole[0].action is not None else whole[0].strategy.group).value
    which = shortlist([str(group.key[1]) for group in whole], _MOST)
    return f"{plural(len(whole), kind)} left as read, with {counts}: {which}"


def _propagated(decided: DumpDecisions) -> str:
    counts, names = _found(decided)
    groups = [pair for pair in decided.decisions if not pair[0].finite and pair[0].strategy.group is not Group.NONE]
    factors = {decision.action.factor for _, decision in groups}
    if not groups:
        return ""
    if factors == {None} and groups[0][0].action is not None:
        return f"{counts} in {names}: NaN makes all of a tensor NaN, an infinity makes its other elements 0"
    if factors == {None}:
        return f"{counts} taken as they are in {names}: NaN stays, an infinity is clipped"
    shown = sorted({f"{factor:.4g}" for factor in factors if factor is not None})
    group = groups[0][0].strategy.group
    which = "all gradients were" if group is Group.DUMP else f"{plural(len(groups), group.value)} were"
    which = which.replace("were", "was") if len(groups) == 1 and group is not Group.DUMP else which
    return f"{counts} in {names}, so {which} multiplied by {' or '.join(shown)}"


def _found(decided: DumpDecisions) -> tuple[str, str]:
    """Return how many NaN and infinities a dump holds, and in which tensors, in words."""
    stats, dump = decided.dump.stats, decided.dump
    nan, infinite = int(stats.nan.sum()), int(stats.infinite.sum())
    counts = [f"{number:,} {word}" for number, word in ((nan, "NaN"), (infinite, "Inf")) if number]
    names = list(dict.fromkeys(dump.own_name(index) for index in stats.with_nonfinite()))
    return " and ".join(counts), shortlist(names, _MOST)
