"""What `stats` found."""

from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.thresholds.summary import Summary


class StatsDump(NamedTuple):
    """The norm of one dump; `nonfinite` counts elements."""

    input: str | list[str]
    step: int | None
    norm: float
    max_abs: float
    nonfinite: int


class StatsLayer(NamedTuple):
    """The norms of one layer over the dumps."""

    layer: str
    summary: Summary


class StatsParam(NamedTuple):
    """The norms of one tensor over the dumps."""

    name: str
    layer: str
    param: str
    shape: tuple[int, ...] | None
    dtype: str
    summary: Summary


class Suggestion(NamedTuple):
    """A threshold for one strategy, and what it would do to the dumps."""

    strategy: str
    rule: str
    samples: int
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    band: tuple[float, float] | None
    note: str | None


class Candidate(NamedTuple):
    """What one rule would choose under one strategy, and what that would do; `reason` says why it can choose nothing.

    The last three are shown in tables only.
    """

    strategy: str
    rule: str
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    energy_lost: float | None
    longest_run: int | None
    reason: str | None


class OwnThreshold(NamedTuple):
    """The threshold that the norms of one layer suggest for it alone; None, both, where they suggest none.

    `note` says why it is no guide, if it is none.
    """

    layer: str
    threshold: float | None
    clip_rate: float | None
    note: str | None


class Tried(NamedTuple):
    """What a strategy would do to the dumps; None where that cannot be told, and `note` says why.

    `lost_energy` is 1 - Σ after² / Σ before² over all that is finite. `cosine` is the mean over the steps of the cosine
    between the gradients before and after, `least_cosine` the smallest. `layers` are the most clipped with the share of
    the steps in which something of each would be clipped; for a strategy that treats the whole dump alike there are none.
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
    """What a rule with a threshold for each step does to a dump; inf is no threshold, a NaN or infinite norm has no factor."""

    strategy: str
    input: str | list[str]
    step: int | None
    norm: float
    threshold: float
    factor: float | None
    clipped: bool | None


class ReplayGroup(NamedTuple):
    """What such a rule does to a layer or a tensor: norm and threshold of the last step, and figures over the finite norms.

    `name` is None for a layer.
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
    """What a person is told in the end: what to take, None where nothing can be told, and why, in lines of plain words.

    It is `doubtful` where the rule that was asked for is no guide.
    """

    strategy: str
    rule: str | None
    threshold: float | None
    doubtful: bool
    lines: Sequence[str]


class StatsReport(NamedTuple):
    """What `stats` found; `tries` and the replays are None where nothing of the kind was asked for."""

    norm_type: float
    dumps: list[StatsDump]
    total: Summary
    layers: Sequence[StatsLayer]
    params: Sequence[StatsParam]
    suggestions: list[Suggestion]
    candidates: list[Candidate]
    labels: dict[str, str]
    series: Sequence[Sequence[float]]  # of each layer its norms
    notes: list[str]
    failed: list[GradclipError]
    tries: list[Tried] | None = None
    own: Sequence[OwnThreshold] = ()
    advised: Advised | None = None
    replay: list[ReplayStep] | None = None
    replay_groups: list[ReplayGroup] | None = None

    @property
    def advice(self) -> Sequence[str]:
        """What a person is told in the end, line by line."""
        return self.advised.lines if self.advised else ()
