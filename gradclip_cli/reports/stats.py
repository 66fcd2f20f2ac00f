"""The report of `stats`."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.base import Inlined, Section, TableOnly
from gradclip_cli.reports.notebook import InNotebooks
from gradclip_cli.thresholds.base import Summary


class StatsDump(NamedTuple):
    """The norm of one dump; `nonfinite` counts elements, `name` stands for a step that is a running number."""

    input: str | list[str]
    step: int | None
    norm: float
    max_abs: float
    nonfinite: int
    name: TableOnly[str | None] = None


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


class Peak(NamedTuple):
    """The largest element of the leading tensor of the largest step of a series, and the slice that holds most of its square.

    `slice` is that of `slices` along axis 0 which holds more than half of the square of the tensor, and so stands out;
    `share` is what it holds, and both are None where none does. `file` holds the piece that the index and the slice are in,
    where nothing says where that piece belongs.
    """

    input: str | list[str]
    step: int | None
    name: str
    max_abs: float
    index: list[int]  # type: ignore[assignment]  # a key of JSON, which hides the method of tuples
    slice: int | None
    slices: int
    share: float | None
    file: str | None


class StatsLayer(NamedTuple):
    """The norms of one layer over the dumps."""

    layer: str
    summary: Inlined[Summary]


class StatsParam(NamedTuple):
    """The norms of one tensor over the dumps."""

    name: str
    layer: str
    param: str
    shape: tuple[int, ...] | None
    dtype: str
    summary: Inlined[Summary]


class Suggestion(NamedTuple):
    """A threshold for one strategy, and its effects on the dumps."""

    strategy: str
    rule: str
    samples: int
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    band: tuple[float, float] | None
    note: str | None


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
    """The advised threshold, None if there is none, and the reasons in sentences.

    `doubtful` says that the rule that the user asked for is no guide.
    """

    strategy: str
    rule: str | None
    threshold: float | None
    doubtful: bool
    lines: Sequence[str]


class _StatsReport(NamedTuple):
    norm_type: float
    dumps: list[StatsDump]
    total: Summary
    layers: Sequence[StatsLayer]
    params: Sequence[StatsParam]
    suggestions: list[Suggestion]
    candidates: list[Candidate]
    labels: TableOnly[dict[str, str]]
    series: TableOnly[Sequence[Sequence[float | None]]]
    notes: list[Note]
    failed: TableOnly[list[GradclipError]]
    tries: Section[list[Tried]] = None
    own: TableOnly[Sequence[OwnThreshold]] = ()
    advised: TableOnly[Advised | None] = None
    replay: Section[list[ReplayStep]] = None
    replay_groups: Section[list[ReplayGroup]] = None
    nonfinite: Sequence[NonfiniteTensor] = ()
    peak: Peak | None = None


class StatsReport(_StatsReport, InNotebooks):
    """The report of `stats`.

    `labels` holds the names that a framework gives to layers, `series` the norms of each layer at each step, None where the
    dump has nothing of it. `tries` and the replays are None if the user asked for none; `failed` holds the errors of dumps
    that were left out. `nonfinite` has each tensor that is not finite once, by its first such dump; in each dump the last in
    layer order comes first, since gradients flow from the last layer to the first. `peak` is None for one dump,
    and where its tensor has fewer than two axes or is a large part of everything.
    """

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.stats/1"
    kinds: ClassVar[tuple[str, ...]] = ("total", "layer", "param", "step")
    scopes: ClassVar[Mapping[str, str]] = {"param": "params", "layer": "layers", "step": "dumps", "total": "total"}

    @property
    def advice(self) -> Sequence[str]:
        """The reasons for the advised threshold, line by line."""
        return self.advised.lines if self.advised else ()
