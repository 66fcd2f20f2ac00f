"""The report of `stats`."""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.base import Inlined, Section, TableOnly
from gradclip_cli.reports.check import FirstRise
from gradclip_cli.reports.notebook import InNotebooks
from gradclip_cli.reports.stats_findings import (
    BlockRise,
    Exploding,
    Growing,
    NonfiniteTensor,
    Peak,
    StatsTrend,
    Vanishing,
)
from gradclip_cli.reports.stats_series import BesideWeights, BlockStep, KindStep, LayerStep, NormSeries
from gradclip_cli.reports.stats_thresholds import (
    Advised,
    Candidate,
    OwnThreshold,
    ReplayGroup,
    ReplayStep,
    Suggestion,
    Tried,
)
from gradclip_cli.text import printable
from gradclip_cli.thresholds.base import Summary

MOST_NORMS = 1_000_000
"""The most norms by step that JSON holds unless a user asks for them."""


class StatsDump(NamedTuple):
    """The norm of one dump; `nonfinite` counts elements, `name` stands for a step that is a running number.

    Of a step of a log, only the norm is known: `max_abs` is None, and `nonfinite` is 1 where the norm is not finite.
    `stood_out` says that it was captured for what it is like, and counts for no threshold. With weights, `ratio` is the L2 norm
    of the gradients over that of the weights, and `update_ratio` that times the learning rate.
    """

    input: str | list[str]
    step: int | None
    norm: float
    max_abs: float | None
    nonfinite: int
    name: TableOnly[str | None] = None
    stood_out: TableOnly[bool] = False
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class StatsLayer(NamedTuple):
    """The norms of one layer over the dumps; with weights, the medians of their norms and of both ratios."""

    layer: str
    summary: Inlined[Summary]
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class StatsBlock(NamedTuple):
    """The norms of one block, which is all layers of one number, over the dumps; `tensors` counts those of all dumps."""

    block: str
    tensors: int
    summary: Inlined[Summary]
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class StatsKind(NamedTuple):
    """The norms of one kind of module, which is all layers whose names differ in numbers alone; `tensors` counts theirs."""

    kind: str
    tensors: int
    summary: Inlined[Summary]
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class StatsParam(NamedTuple):
    """The norms of one tensor over the dumps."""

    name: str
    layer: str
    param: str
    shape: tuple[int, ...] | None
    dtype: str
    summary: Inlined[Summary]
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class BlockShare(NamedTuple):
    """One block of a single dump: its share of Σ|g|^P, the root of its mean square (both None where P does not give them).

    `zeros` counts elements, of `elements`.
    """

    block: str
    norm: float
    share: float | None
    rms: float | None
    max_abs: float
    zeros: int | None
    elements: int | None


class StatsSize(NamedTuple):
    """What a series holds: how many tensors, values in a dump (None if that is not known), and of which dtypes.

    `others` counts the tensors of the first dump that are of no dtype of gradients, by dtype.
    """

    tensors: int
    elements: int | None
    dtypes: list[str]
    others: TableOnly[dict[str, int]] = {}  # noqa: RUF012  # a tuple's default, which nobody changes


class _StatsReport(NamedTuple):
    norm_type: float
    dumps: list[StatsDump]
    total: Summary
    blocks: Sequence[StatsBlock]
    layers: Sequence[StatsLayer]
    params: Sequence[StatsParam]
    suggestions: list[Suggestion]
    candidates: list[Candidate]
    labels: TableOnly[dict[str, str]]
    notes: list[Note]
    failed: TableOnly[list[GradclipError]]
    own: Sequence[OwnThreshold] = ()
    advice: Advised | None = None
    advised: TableOnly[Sequence[Advised]] = ()
    nonfinite: Sequence[NonfiniteTensor] = ()
    exploding: Exploding | None = None
    first: FirstRise | None = None
    growing: Sequence[Growing] = ()
    vanishing: Vanishing | None = None
    peak: Peak | None = None
    trend: StatsTrend | None = None
    rises: TableOnly[Sequence[BlockRise]] = ()
    size: StatsSize | None = None
    inputs: TableOnly[Sequence[str]] = ()
    block_noun: TableOnly[str] = "block"  # layer where each layer is a block of the same name
    command: TableOnly[str] = ""
    epsilon: TableOnly[float] = 0.0  # added to a norm before it is compared
    min_weight_norm: TableOnly[float | None] = None  # what the norm of a unit of weights is at least
    layer_steps: TableOnly[Sequence[LayerStep]] = ()
    block_steps: TableOnly[Sequence[BlockStep]] = ()
    kind_steps: TableOnly[Sequence[KindStep]] = ()
    series: NormSeries | None = None
    shares: Section[list[BlockShare]] = None
    tries: Section[list[Tried]] = None
    replay: Section[list[ReplayStep]] = None
    replay_groups: Section[list[ReplayGroup]] = None
    source: Section[str] = None
    column: Section[str] = None
    cached: Section[int] = None
    lr: Section[float] = None
    log: TableOnly[str] = ""
    module_kinds: TableOnly[Sequence[StatsKind]] = ()
    beside: TableOnly[BesideWeights | None] = None


class StatsReport(InNotebooks, _StatsReport):
    """The report of `stats`.

    `labels` holds the names that a framework gives to layers, `inputs` the paths that the user gave, `command` what to try
    next. `advice` is that for the strategy at hand, `advised` that for each strategy that a screen shows. `tries` and the
    replays are None if the user asked for none, `series` is None for one dump; `failed` holds the errors of dumps that were
    left out. `nonfinite` has each tensor that is not finite once, by its first such dump; in each dump the last in layer order
    comes first, since gradients flow from the last layer to the first. `peak` is None for one dump, and where its tensor is a
    large part of everything. `source` is `log` where norms come from a log, of the kind `log` and by the name `column`.
    `cached` counts the dumps whose figures come from an earlier reading, if that was asked for; `lr` is the learning rate for
    update ratios, `beside` has the norms of layers and of their weights step by step.
    """

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.stats/1"
    kinds: ClassVar[tuple[str, ...]] = (
        *("total", "block", "kind", "layer", "param", "step"),
        *("layer,step", "block,step", "kind,step"),
    )
    scopes: ClassVar[Mapping[str, str]] = {
        "param": "params",
        "layer": "layers",
        "kind": "module_kinds",
        "block": "blocks",
        "step": "dumps",
        "total": "total",
        "layer,step": "layer_steps",
        "block,step": "block_steps",
        "kind,step": "kind_steps",
    }

    @property
    def blocks_are_layers(self) -> bool:
        """Whether each layer is a block of the same name."""
        return self.block_noun == "layer"

    @property
    def holds_norms(self) -> bool:
        """Whether there is any norm: of tensors, or from a log."""
        return bool(self.params) or self.source is not None

    def for_json(self, kinds: Collection[str]) -> "StatsReport":
        """Return the report with the norms of a long series only where `kinds`, which the user asked for, has them."""
        series = self.series
        if series is None or series.size <= MOST_NORMS:
            return self
        blocks = series.blocks if "block" in kinds else None
        layers = series.layers if "layer" in kinds or ("block" in kinds and series.blocks is None) else None
        if blocks or layers:
            return self._replace(series=series._replace(blocks=blocks, layers=layers))
        what = f"{series.size:,} norms by step are left out of JSON; --by layer or --by block writes them"
        first = self.dumps[0].input
        path = first if isinstance(first, str) else first[0]
        return self._replace(series=None, notes=[*self.notes, Note("series", f"{printable(path)}: {what}")])
