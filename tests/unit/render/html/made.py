"""Reports of runs, made of arrays of norms."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.inputs.naming import block_of
from gradclip_cli.render.html.pooled import NONFINITE, ZERO
from gradclip_cli.reports.check import CheckReport, FirstRise
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsDump, StatsLayer, StatsReport
from gradclip_cli.reports.stats_series import NamedNorms, NormSeries
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, StepRows

Norms = NDArray[np.float64]


def cells_in(view: dict[str, Any]) -> list[list[int | None]]:
    """The cells of a map, row by row, read as its transforms say: None where one is absent."""
    steps = [one["calculate"] for one in view["transform"] if one.get("as") == "c"]
    width, least = (int(re.findall(pattern, steps[k])[0]) for k, pattern in enumerate((r"c, (\d+) \*", r"\+ (-?\d+)$")))
    found = []
    for row in view["data"]["values"]:
        codes = [int(row["c"][at : at + width], 36) for at in range(0, len(row["c"]), width)]
        found.append([[None, ZERO, NONFINITE][code] if code < 3 else code + least for code in codes])
    return found


def named(layers: Sequence[str], norms: Norms, absent: NDArray[np.bool_] | None = None) -> NamedNorms:
    """Norms (layers × steps) as `stats` has them; those of absent layers are 0."""
    table = NormTable([GroupName(layer) for layer in layers], norms.T, None if absent is None else absent.T)
    return NamedNorms(list(layers), StepRows(table))


def run_of(
    layers: Sequence[str],
    norms: Sequence[Sequence[float]] | Norms,
    absent: NDArray[np.bool_] | None = None,
    first: FirstRise | None = None,
    **stats: Any,
) -> RunReport:
    """A run with these norms (layers × steps) at the steps 0, 10, 20 and so on; `stats` are fields of its report."""
    values = np.asarray(norms, np.float64)
    found = named(layers, values, absent)
    totals = np.hypot.reduce(values, axis=0)
    dumps = [
        StatsDump(f"run/{k}.npz", 10 * k, norm, norm, int(norm - norm != 0)) for k, norm in enumerate(totals.tolist())
    ]
    table = NormTable([GroupName()], totals[:, None])
    summaries = found.norms.table.summaries()  # type: ignore[attr-defined]  # it is of StepRows
    rows = [StatsLayer(layer, summary) for layer, summary in zip(layers, summaries, strict=True)]
    series = NormSeries([dump.step for dump in dumps], None, found) if len(dumps) > 1 else None
    noun = "layer" if all(block_of(layer) == layer for layer in layers) else "block"
    report = StatsReport(
        2.0,
        dumps,
        table.samples.summary(),
        [],
        rows,
        [],
        [],
        [],
        {},
        [],
        [],
        series=series,
        block_noun=noun,
        first=first,
    )
    return RunReport("run", report._replace(**stats), CheckReport([], len(dumps), [], []), None, [], [])
