"""The report of `stats`."""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.base import Inlined, Section, TableOnly
from gradclip_cli.reports.notebook import InNotebooks
from gradclip_cli.text import printable
from gradclip_cli.thresholds.base import Summary

MOST_NORMS = 1_000_000
"""The most norms by step that JSON holds unless a user asks for them."""

Ranges = list[tuple[int, int]]
"""Steps as ranges of their numbers, both ends in: all dumps of the series from the first to the second."""


class StatsDump(NamedTuple):
    """The norm of one dump; `nonfinite` counts elements, `name` stands for a step that is a running number."""

    input: str | list[str]
    step: int | None
    norm: float
    max_abs: float
    nonfinite: int
    name: TableOnly[str | None] = None


class StatsLayer(NamedTuple):
    """The norms of one layer over the dumps."""

    layer: str
    summary: Inlined[Summary]


class StatsBlock(NamedTuple):
    """The norms of one block, which is all layers of one number, over the dumps; `tensors` counts those of all dumps."""

    block: str
    tensors: int
    summary: Inlined[Summary]


class StatsParam(NamedTuple):
    """The norms of one tensor over the dumps."""

    name: str
    layer: str
    param: str
    shape: tuple[int, ...] | None
    dtype: str
    summary: Inlined[Summary]


class NonfiniteTensor(NamedTuple):
    """A tensor with elements that are NaN or infinite, in the first dump in which it has any.

    `kind` (`NaN`, `+Inf` or `-Inf`) and `index` are those of the first in row-major order. The index is within the whole
    tensor, or within the piece of it in `file` where nothing says where that piece belongs.
    """

    input: str | list[str]
    step: int | None
    name: str
    nan: int
    posinf: int
    neginf: int
    elements: int
    kind: str
    index: list[int]  # type: ignore[assignment]  # a key of JSON, which hides the method of tuples
    file: str | None


class FirstRise(NamedTuple):
    """What rose first before the step `at`, in which the norm of the dump explodes or is not finite.

    `names` has the blocks that stand high in step `step`, the highest first, and `times` how many times their usual norm they are,
    infinite where they are not finite. They are empty where all blocks rise together.
    """

    at: int | None
    step: int | None
    input: str | list[str]
    names: list[str]
    times: list[float]


class Exploding(NamedTuple):
    """The step whose norm is highest above its neighbours, `times` their median; `steps` are all that explode."""

    input: str | list[str]
    step: int | None
    norm: float
    times: float
    count: int  # type: ignore[assignment]  # hides `tuple.count`, which nobody calls
    steps: Ranges | None


class Growing(NamedTuple):
    """A block whose norms grow slowly, from the level `start` to the level `end`, from the step `since` on until the step `until`."""

    block: str
    start: float
    end: float
    since: int | None
    until: int | None


class Vanishing(NamedTuple):
    """Tensors whose norm is so small at every step that it is lost: their blocks, how many they are, and their usual norm."""

    blocks: list[str]
    tensors: int
    norm: float


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
    """What a series holds: how many tensors, values in a dump (None if that is not known), and of which dtypes."""

    tensors: int
    elements: int | None
    dtypes: list[str]


class BlockRise(NamedTuple):
    """How high a block rises: its largest norm over its median; None where that is 0."""

    block: str
    median: float
    max: float
    row: int
    times: float | None


class StatsTrend(NamedTuple):
    """Where the norms of dumps go over the run: they `kind` (falls, rises, steps or steady) from `start` to `end`.

    `settled` is the first step of the part at that level, `threshold` what percentile:90 chooses by that part alone.
    """

    kind: str
    start: float
    end: float
    settled: int | None
    threshold: float | None


class Suggestion(NamedTuple):
    """A threshold for one strategy, and its effects on the dumps; `steps` has those that it clips, None if they have no numbers."""

    strategy: str
    rule: str
    samples: int
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    band: tuple[float, float] | None
    note: str | None
    steps: Ranges | None = None


class Candidate(NamedTuple):
    """The threshold that a rule would choose for a strategy, and its effects; `reason` says why it can choose none."""

    strategy: str
    rule: str
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    lost_energy: TableOnly[float | None]
    longest_run: TableOnly[int | None]
    reason: TableOnly[str | None]
    steps: Ranges | None = None


class OwnThreshold(NamedTuple):
    """The threshold that the norms of one layer suggest for that layer alone.

    `threshold` and `clip_rate` are None if the norms suggest none; `note` says why a threshold is no guide.
    """

    layer: str
    threshold: float | None
    clip_rate: float | None
    note: str | None


class Tried(NamedTuple):
    """The effects of a strategy on the dumps; a figure is None if it is unknown, and `note` says why.

    `lost_energy` is 1 - Σ after² / Σ before² over all finite norms. `cosine` is the mean over the steps of the cosine
    between the gradients before and after, `least_cosine` the smallest. `layers` names the most clipped layers, each with
    the share of the steps that would clip something of it; it is empty for a strategy that treats the whole dump alike.
    """

    strategy: str
    rule: str | None
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    lost_energy: float | None
    cosine: float | None
    least_cosine: float | None
    layers: dict[str, float]
    note: str | None
    steps: Ranges | None = None


class ReplayStep(NamedTuple):
    """The effect of an adaptive rule, which has a threshold for each step, on a dump.

    `threshold` is inf while there is none; `factor` and `clipped` are None if the norm is not finite, or if a dump of a
    series with gradients has none.
    """

    strategy: str
    input: str | list[str]
    step: int | None
    norm: float
    threshold: float
    factor: float | None
    clipped: bool | None


class ReplayGroup(NamedTuple):
    """The effects of an adaptive rule on a layer or a tensor; `name` is None for a layer.

    `norm` and `threshold` are those of the last step that has it, the other figures are over all finite norms.
    """

    strategy: str
    layer: str
    name: str | None
    samples: int
    norm: float
    threshold: float
    clip_rate: float | None
    mean_factor: float | None


class Advised(NamedTuple):
    """The advised threshold of one strategy, None if there is none, and why; `steps` has those that it clips.

    `doubtful` says that the rule that the user asked for is no guide; `lines` are the reasons in sentences.
    """

    strategy: str
    rule: str | None
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    steps: Ranges | None
    reason: str
    doubtful: TableOnly[bool]
    lines: TableOnly[Sequence[str]]


class NamedNorms(NamedTuple):
    """Norms by name and step: a row for each name, a column for each step, None where a dump has nothing of it."""

    names: Sequence[str]
    norms: Sequence[Sequence[float | None]]


class NormSeries(NamedTuple):
    """The norms of a series, step by step; `steps` are those of `dumps`, in their order.

    `blocks` is None where each layer is a block of its own. A part that a view leaves out is None, too.
    """

    steps: Sequence[int | None]
    blocks: NamedNorms | None
    layers: NamedNorms | None

    @property
    def size(self) -> int:
        """The number of norms."""
        return len(self.steps) * sum(len(part.names) for part in (self.blocks, self.layers) if part)


class LayerStep(NamedTuple):
    """The norm of one layer in one dump, None where the dump has nothing of it."""

    input: str | list[str]
    step: int | None
    layer: str
    norm: float | None


class BlockStep(NamedTuple):
    """The norm of one block in one dump, None where the dump has nothing of it."""

    input: str | list[str]
    step: int | None
    block: str
    norm: float | None


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
    trend: StatsTrend | None = None
    rises: TableOnly[Sequence[BlockRise]] = ()
    size: StatsSize | None = None
    inputs: TableOnly[Sequence[str]] = ()
    command: TableOnly[str] = ""
    layer_steps: TableOnly[Sequence[LayerStep]] = ()
    block_steps: TableOnly[Sequence[BlockStep]] = ()
    series: NormSeries | None = None
    shares: Section[list[BlockShare]] = None
    tries: Section[list[Tried]] = None
    replay: Section[list[ReplayStep]] = None
    replay_groups: Section[list[ReplayGroup]] = None


class StatsReport(_StatsReport, InNotebooks):
    """The report of `stats`.

    `labels` holds the names that a framework gives to layers, `inputs` the paths that the user gave, `command` what to try next.
    `advice` is that for the strategy at hand, `advised` that for each strategy that a screen shows. `tries` and the replays are
    None if the user asked for none, `series` is None for one dump; `failed` holds the errors of dumps that were left out.
    """

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.stats/1"
    kinds: ClassVar[tuple[str, ...]] = ("total", "block", "layer", "param", "step", "layer,step", "block,step")
    scopes: ClassVar[Mapping[str, str]] = {
        "param": "params",
        "layer": "layers",
        "block": "blocks",
        "step": "dumps",
        "total": "total",
        "layer,step": "layer_steps",
        "block,step": "block_steps",
    }

    @property
    def blocks_are_layers(self) -> bool:
        """Whether each layer is a block of its own."""
        return len(self.blocks) == len(self.layers)

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
