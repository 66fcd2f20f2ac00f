"""Series that have been measured already."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from support.tensors import dump_of

from gradclip_cli.commands.stats.collect import collect
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.report import report
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.reports.stats import StatsReport


def series_of(*steps: dict[str, list[float]], plan: StatsPlan | None = None) -> StatsReport:
    """The report over dumps of float64 tensors, in the order given."""
    plan = plan or StatsPlan((single("a"),))
    types = (plan.norm.type,)
    dumps = [
        dump_of({name: np.array(values) for name, values in step.items()}, types, f"step{k}.npz", k)
        for k, step in enumerate(steps)
    ]
    return report(plan, collect(surveys(dumps), plan))


def surveys(dumps: Iterable[MeasuredDump]) -> list[Callable[[], list[MeasuredDump]]]:
    """What gives dumps that have been measured already."""
    return [partial(lambda dump: [dump], dump) for dump in dumps]


STEPS = ({"b.w": [3.0], "a.w": [4.0], "b.b": [12.0]}, {"b.w": [6.0], "a.w": [8.0], "b.b": [24.0]})
