"""The rows of `stats` about thresholds: what rules choose, what that would do, and what is advised."""

from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.reports.base import TableOnly

Ranges = list[tuple[int, int]]
"""Steps as ranges of their numbers, both ends in: all dumps of the series from the first to the second."""


class Suggestion(NamedTuple):
    """A threshold for one strategy, and its effects on the dumps; `steps` has those that it clips, None if they have no numbers.

    Of a rule that leaves out whole steps, `skip_rate` is their share and `skipped_steps` has them; they are not clipped.
    """

    strategy: str
    rule: str
    samples: int
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    band: tuple[float, float] | None
    note: str | None
    steps: Ranges | None = None
    skip_rate: float | None = None
    skipped_steps: Ranges | None = None


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
    `skip_rate` and `skipped_steps` are as in `Suggestion`; skipped steps have the factor 0, and no cosine.
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
    skip_rate: float | None = None
    skipped_steps: Ranges | None = None


class ReplayStep(NamedTuple):
    """The effect of an adaptive rule, which has a threshold for each step, on a dump.

    `threshold` is inf while there is none; `factor` and `clipped` are None if the norm is not finite, or if a dump of a
    series with gradients has none. `skipped` is None, too, where the rule skips nothing.
    """

    strategy: str
    input: str | list[str]
    step: int | None
    norm: float
    threshold: float
    factor: float | None
    clipped: bool | None
    skipped: bool | None = None


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

    `doubtful` says that the rule that the user asked for is no guide; `lines` are the reasons in sentences. Where there are
    too few steps for their threshold to be recommended, it is `too_few`.
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
    too_few: TableOnly[bool] = False
