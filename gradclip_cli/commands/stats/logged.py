"""Make the norms of a series of logs, in place of those that `collect` measures."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.stats.blocks import block_norms
from gradclip_cli.commands.stats.collect import Collected
from gradclip_cli.commands.stats.layout import SeriesLayout
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.rows import RowLayout
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.norm_logs.base import NormLog
from gradclip_cli.inputs.norm_logs.reading import read_log
from gradclip_cli.inputs.ordering import by_step
from gradclip_cli.inputs.repeats import StepPlace, settled
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.strategies import Group
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural, printable
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.norm_table import GroupName, L2Norms, NormTable, SeriesNorms, Step
from gradclip_cli.thresholds.samples import Mask, Matrix

_UNKNOWN = DType("", 0, "other")
"""The dtype of tensors of which only norms are logged."""


class _Row(NamedTuple):
    """One step of one of several logs."""

    log: int
    at: int
    step: int | None


class Logged(NamedTuple):
    """What is read from logs: their norms as those of dumps, the plan for what they hold, and what to call them."""

    collected: Collected
    plan: StatsPlan
    column: str
    kind: str


def collect_logs(plan: StatsPlan) -> Logged:
    """Read logs, join them in the order of their steps, and take the steps that the plan wants."""
    if plan.logs is None:
        raise ValueError("there are no logs")
    logs = [read_log(path, plan.logs.options) for path in plan.logs.paths]
    rows, notes = _rows(logs, plan)
    plan = _with_groups(plan, {Group.DUMP, Group.NONE} | ({Group.LAYER} if any(log.tensors for log in logs) else set()))
    names = list(dict.fromkeys(tensor.name for log in logs for tensor in log.tensors))
    layout = _layout(names, plan)
    norms = _norms(logs, rows, layout, plan)
    said = [note for log in logs for note in log.notes]
    columns, kinds = dict.fromkeys(log.column for log in logs), dict.fromkeys(log.kind for log in logs)
    return Logged(Collected(layout, norms, [], [*said, *notes]), plan, ", ".join(columns), ", ".join(kinds))


def _rows(logs: Sequence[NormLog], plan: StatsPlan) -> tuple[list[_Row], list[Note]]:
    """Return the rows that are taken, in the order of their steps."""
    every = [
        _Row(k, at, None if log.steps is None else log.steps[at])
        for k, log in enumerate(logs)
        for at in range(len(log.norms))
    ]
    notes = list[Note]()
    if len(logs) > 1:
        every, notes = settled(every, lambda row: StepPlace(row.step, logs[row.log].path, True), plan.repeated)
        every = by_step(every, lambda row: row.step)
    first = printable(logs[0].path)
    if plan.selection.steps is not None:
        taken = [row for row in every if plan.selection.steps.takes(row.step)]
        if not taken:
            raise plan.selection.steps.refusal(first, [row.step for row in every])
        every = taken
    if plan.skip_steps >= len(every):
        raise UsageError(f"--skip-steps {plan.skip_steps} leaves nothing of {plural(len(every), 'norm')}")
    return every[plan.skip_steps :], notes


def _with_groups(plan: StatsPlan, groups: set[Group]) -> StatsPlan:
    """Return the plan for what is logged; raise UsageError where it asks for a strategy that needs more."""
    wanted = [plan.strategy, *(one.strategy for one in plan.tries)]
    path = printable(plan.logs.paths[0]) if plan.logs else ""
    for strategy in wanted:
        if strategy is not None and strategy.group not in groups:
            what = f"{strategy.name} needs more than the norms that {path} holds"
            raise UsageError(f"{what}; clip-by-global-norm needs no more, and dumps of gradients hold all")
    return replace(plan, groups=frozenset(groups))


def _layout(names: Sequence[str], plan: StatsPlan) -> SeriesLayout:
    """Lay out the tensors whose norms are logged, by layers; nothing else is known of them."""
    places = plan.selection.naming.places(names)
    whole = RowLayout.of_all([place.layer for place in places])
    order = whole.columns.tolist()
    specs = [TensorSpec(names[k], _UNKNOWN, ()) for k in order]
    return SeriesLayout(specs, [None] * len(specs), [places[k] for k in order], whole, {}, [])


def _norms(logs: Sequence[NormLog], rows: Sequence[_Row], layout: SeriesLayout, plan: StatsPlan) -> SeriesNorms:
    total = np.array([[logs[row.log].norms[row.at]] for row in rows])
    norms, absent = _of_tensors(logs, rows, [spec.name for spec in layout.specs])
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
        [_step(logs[row.log], row) for row in rows],
        whole,
        layers,
        params,
        NormTable([], np.empty((len(rows), 0))),
        block_norms(layers, plan.selection.naming, 2.0),
        L2Norms(whole, layers, params, {}) if plan.tries else None,
    )


def _of_tensors(logs: Sequence[NormLog], rows: Sequence[_Row], names: Sequence[str]) -> tuple[Matrix, Mask]:
    """Return the norms of tensors by step, and which are absent; what is absent is 0."""
    norms, absent = np.zeros((len(rows), len(names))), np.ones((len(rows), len(names)), np.bool_)
    column = {name: k for k, name in enumerate(names)}
    for number, log in enumerate(logs):
        own = np.array([k for k, row in enumerate(rows) if row.log == number], np.int64)
        places = np.array([rows[k].at for k in own.tolist()], np.int64)
        for tensor in log.tensors:
            k = column[tensor.name]
            missing = (
                np.zeros(len(own), np.bool_) if tensor.absent is None else np.array(tensor.absent, np.bool_)[places]
            )
            norms[own, k] = np.where(missing, 0.0, np.frombuffer(tensor.norms)[places])
            absent[own, k] = missing
    return norms, absent


def _step(log: NormLog, row: _Row) -> Step:
    """Return a step of a log: named by its epoch where it has no number, or else by its place."""
    name = None
    if row.step is None:
        epoch = log.epochs[row.at] if log.epochs is not None and row.at < len(log.epochs) else math.nan
        name = f"norm {row.at + 1:,}" + ("" if math.isnan(epoch) else f" (epoch {epoch:g})")
    return Step(log.path, row.step, 0 if math.isfinite(log.norms[row.at]) else 1, name)
