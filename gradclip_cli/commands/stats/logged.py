"""Make the norms of a series of logs, in place of those that `collect` measures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.stats.collect import Collected
from gradclip_cli.commands.stats.layout import SeriesLayout
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.rows import RowLayout, block_norms
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.norm_logs.joining import JoinedLogs, join_logs
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.strategies import Group
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural, printable
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.norm_table import GroupName, L2Norms, NormTable, SeriesNorms, Step

_UNKNOWN = DType("", 0, "other")
"""The dtype of tensors of which only norms are logged."""


class Logged(NamedTuple):
    """What is read from logs: their norms as those of dumps, the plan for what they hold, and what to call them."""

    collected: Collected
    plan: StatsPlan
    column: str
    kind: str


def read_logs(plan: StatsPlan) -> JoinedLogs:
    """Read logs, join them in the order of their steps, and take the steps that the plan wants."""
    if plan.logs is None:
        raise ValueError("there are no logs")
    joined = join_logs(plan.logs.paths, plan.logs.options, plan.selection.steps)
    if plan.skip_steps >= len(joined.at):
        raise UsageError(f"--skip-steps {plan.skip_steps} leaves nothing of {plural(len(joined.at), 'norm')}")
    return joined.taken(slice(plan.skip_steps, None))


def collect_logs(joined: JoinedLogs, plan: StatsPlan) -> Logged:
    """Take the norms of logs."""
    names = joined.tensors
    plan = _with_groups(plan, {Group.DUMP, Group.NONE} | ({Group.LAYER} if names else set()))
    layout = _layout(names, plan)
    return Logged(Collected(layout, _norms(joined, layout, plan), [], joined.notes), plan, joined.column, joined.kind)


def _with_groups(plan: StatsPlan, groups: set[Group]) -> StatsPlan:
    """Return the plan for what is logged; raise UsageError where it asks for a strategy or a rule that needs more."""
    wanted = [(plan.strategy, plan.rule), *((one.strategy, one.threshold) for one in plan.tries)]
    path = printable(plan.logs.paths[0]) if plan.logs else ""
    for strategy, rule in wanted:
        if strategy is not None and strategy.group not in groups:
            what = f"{strategy.name} needs more than the norms that {path} holds"
            if isinstance(rule, AdaptiveRule) and rule.bound:
                needed = "elements" if rule.rereads else "norm"
                kind = Group.TENSOR if rule.rereads else strategy.group
                what = f"{rule} needs the {needed} of each {kind.value} at each step, which {path} does not hold"
            raise UsageError(f"{what}; clip-by-global-norm needs no more, and dumps of gradients hold all")
    return replace(plan, groups=frozenset(groups))


def _layout(names: Sequence[str], plan: StatsPlan) -> SeriesLayout:
    """Lay out the tensors whose norms are logged, by layers; nothing else is known of them."""
    places = plan.selection.naming.places(names)
    whole = RowLayout.of_all([place.layer for place in places])
    order = whole.columns.tolist()
    specs = [TensorSpec(names[k], _UNKNOWN, ()) for k in order]
    return SeriesLayout(specs, [None] * len(specs), [places[k] for k in order], whole, {}, [])


def _norms(joined: JoinedLogs, layout: SeriesLayout, plan: StatsPlan) -> SeriesNorms:
    total = joined.norms[:, None]
    norms, absent = joined.of_tensors([spec.name for spec in layout.specs])
    missing = absent if absent.any() else None
    groups = [GroupName(place.layer, spec.name) for place, spec in zip(layout.places, layout.specs, strict=True)]
    starts = layout.whole.starts[:-1]
    of_layers, no_layer = group_norms(norms, starts), None
    if missing is not None and starts:
        no_layer = np.logical_and.reduceat(missing, starts, axis=1)
    whole = NormTable([GroupName()], total)
    layers = NormTable([GroupName(layer) for layer in layout.layers], of_layers, no_layer)
    params = NormTable(groups, norms, missing)
    return SeriesNorms(
        _steps(joined),
        whole,
        layers,
        params,
        NormTable([], np.empty((len(total), 0))),
        block_norms(layers, plan.selection.naming, 2.0),
        L2Norms(whole, layers, params, {}) if plan.tries else None,
    )


def _steps(joined: JoinedLogs) -> list[Step]:
    bad = (~np.isfinite(joined.norms)).astype(int).tolist()
    return [Step(*row) for row in zip(joined.paths, joined.steps, bad, joined.names, strict=True)]
