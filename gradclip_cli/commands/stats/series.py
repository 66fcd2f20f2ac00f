"""Report the norms of blocks and layers: their summaries, and step by step."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from gradclip_cli.commands.stats.blocks import block_names
from gradclip_cli.commands.stats.layout import SeriesLayout
from gradclip_cli.commands.stats.ratios import WeightRatios, columns_of
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.places import layers_of
from gradclip_cli.lazy_rows import LazyRows, Zipped
from gradclip_cli.reports.stats import NamedNorms, NormSeries, StatsBlock, StatsDump
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms, StepRows

Row = TypeVar("Row")


def blocks(
    layout: SeriesLayout, norms: SeriesNorms, naming: Naming, ratios: WeightRatios | None
) -> Sequence[StatsBlock]:
    """Return a row for each block."""
    per_layer = Counter(layers_of(layout.places))
    sizes, block_of = Counter[str](), block_names(layout.layers, naming)
    for layer, count in per_layer.items():
        sizes[block_of[layer]] += count
    names, summaries = list(map(str, norms.blocks.groups)), norms.blocks.summaries()
    beside = columns_of(ratios and ratios.blocks, len(names))
    return LazyRows(StatsBlock._make, Zipped(names, [sizes[name] for name in names], summaries, *beside))


def series(norms: SeriesNorms) -> NormSeries | None:
    """Return the norms of blocks and layers step by step; None for one dump."""
    if len(norms.steps) < 2:
        return None
    blocks = None if norms.blocks is norms.layers else _named(norms.blocks)
    return NormSeries([step.number for step in norms.steps], blocks, _named(norms.layers))


def _named(table: NormTable) -> NamedNorms:
    return NamedNorms(list(map(str, table.groups)), StepRows(table))


def steps_of(table: NormTable, dumps: Sequence[StatsDump], row: Callable[..., Row]) -> Sequence[Row]:
    """Return a row for each group and step, group by group; the norm of what a dump has not is None."""
    steps = len(dumps)

    def make(k: int) -> Row:
        group, step = divmod(k, steps)
        norm = table.norms.item(step, group) if table.present[step, group] else None
        return row(dumps[step].input, dumps[step].step, str(table.groups[group]), norm)

    return LazyRows(make, range(len(table.groups) * steps))
