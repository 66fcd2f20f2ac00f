"""Report the norms of blocks and layers: their summaries, and step by step."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from gradclip_cli.commands.stats.layout import SeriesLayout
from gradclip_cli.commands.stats.ratios import RatioTable, WeightRatios, columns_of
from gradclip_cli.commands.stats.rows import block_names
from gradclip_cli.inputs.naming import Naming, kind_of
from gradclip_cli.inputs.places import layers_of
from gradclip_cli.lazy_rows import LaterRows, LazyRows, Zipped
from gradclip_cli.reports.stats import StatsBlock, StatsDump, StatsKind
from gradclip_cli.reports.stats_series import BesideWeights, NamedNorms, NormSeries
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms, StepRows

Row = TypeVar("Row")


def blocks(
    layout: SeriesLayout, norms: SeriesNorms, naming: Naming, ratios: WeightRatios | None
) -> Sequence[StatsBlock]:
    """Return a row for each block."""
    beside = ratios.blocks if ratios is not None else None
    return LazyRows(StatsBlock._make, _joined(layout, norms.blocks, block_names(layout.layers, naming), beside))


def kind_norms(layout: SeriesLayout, norms: SeriesNorms, p: float) -> Callable[[], NormTable]:
    """Return what computes the P-norms of each kind of module at each step, once and not before they are asked for."""
    return cache(lambda: norms.layers.joined(list(map(kind_of, layout.layers)), p))


def module_kinds(
    layout: SeriesLayout, table: Callable[[], NormTable], ratios: WeightRatios | None
) -> Sequence[StatsKind]:
    """Return a row for each kind of module, of which nothing is computed before the first access."""
    kinds = {layer: kind_of(layer) for layer in layout.layers}

    def found() -> Zipped:
        beside = ratios.layers.joined(list(kinds.values())) if ratios is not None else None
        return _joined(layout, table(), kinds, beside)

    return LaterRows(StatsKind._make, found)


def _joined(layout: SeriesLayout, table: NormTable, name_of: Mapping[str, str], beside: RatioTable | None) -> Zipped:
    """Return the columns of names, sizes, summaries and ratios of layers that are joined under the names in `name_of`."""
    sizes = Counter[str]()
    for layer, count in Counter(layers_of(layout.places)).items():
        sizes[name_of[layer]] += count
    names = list(map(str, table.groups))
    return Zipped(names, [sizes[name] for name in names], table.summaries(), *columns_of(beside, len(names)))


def series(norms: SeriesNorms) -> NormSeries | None:
    """Return the norms of blocks and layers step by step; None for one dump."""
    if len(norms.steps) < 2:
        return None
    blocks = None if norms.blocks is norms.layers else _named(norms.blocks)
    return NormSeries([step.number for step in norms.steps], blocks, _named(norms.layers))


def beside_weights(ratios: WeightRatios | None) -> BesideWeights | None:
    """Return the L2 norms of layers and of their weights step by step; None without weights."""
    return None if ratios is None else BesideWeights(_named(ratios.layers.norms), _named(ratios.layers.weights))


def _named(table: NormTable) -> NamedNorms:
    return NamedNorms(list(map(str, table.groups)), StepRows(table))


def steps_of(table: Callable[[], NormTable], dumps: Sequence[StatsDump], row: Callable[..., Row]) -> Sequence[Row]:
    """Return a row for each group and step, group by group; the norm of what a dump has not is None."""
    steps = len(dumps)

    def make(k: int) -> Row:
        (group, step), found = divmod(k, steps), table()
        norm = found.norms.item(step, group) if found.present[step, group] else None
        return row(dumps[step].input, dumps[step].step, str(found.groups[group]), norm)

    return LaterRows(make, lambda: range(len(table().groups) * steps))
