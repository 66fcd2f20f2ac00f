"""A report of thousands of steps and tensors, made of their norms: to write and measure such a run takes minutes."""

import numpy as np

from gradclip_cli.commands.stats.collect import Collected
from gradclip_cli.commands.stats.layout import SeriesLayout
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.report import report
from gradclip_cli.commands.stats.rows import RowLayout, block_norms
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.numerics.dtypes import FLOAT32
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.run import RunReport
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, SeriesNorms, Step
from support.made_runs import ELEMENTS, MadeRun, planted


def wide_run(steps: int = 5000, blocks: int = 166) -> MadeRun:
    """Return a run of 5,000 steps and 1,002 tensors with the faults of `planted`."""
    return planted(steps, blocks)


def report_of(run: MadeRun, title: str) -> RunReport:
    """Return what a page shows of a run, but for findings."""
    naming = Naming()
    places = naming.places(run.names)
    whole = RowLayout.of_all([place.layer for place in places])
    order = whole.columns.tolist()
    specs = [TensorSpec(run.names[column], FLOAT32, (ELEMENTS,)) for column in order]
    layout = SeriesLayout(specs, [(ELEMENTS,)] * len(specs), [places[column] for column in order], whole, {}, [])
    plan = StatsPlan((), given=(title,))
    stats = report(plan, Collected(layout, _norms(run, layout), []))
    return RunReport(title, stats, CheckReport([], len(run.norms), [], []), None, [], [])


def _norms(run: MadeRun, layout: SeriesLayout) -> SeriesNorms:
    own = run.norms[:, layout.whole.columns]
    bad = (~np.isfinite(own)).sum(axis=1).tolist()
    steps = [Step(f"step_{step:05}.safetensors", step, count) for step, count in enumerate(bad, 1)]
    tensors = NormTable(
        [GroupName(place.layer, spec.name) for place, spec in zip(layout.places, layout.specs, strict=True)], own
    )
    layers = NormTable([GroupName(layer) for layer in layout.layers], group_norms(own, layout.whole.starts[:-1]))
    whole = NormTable([GroupName()], run.totals[:, None])
    return SeriesNorms(steps, whole, layers, tensors, tensors, block_norms(layers, Naming(), 2.0))
