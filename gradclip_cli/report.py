"""Reports are data: what the commands found, under the names that their JSON has.

Some fields are for a person and no part of the JSON: `notes`, which go to standard error; `labels`, by which frameworks
call layers beside their names; the `series` of each layer's norms; what `failed`; and some figures of candidates. Rows are
named tuples, since there may be hundreds of thousands of them.
"""

from typing import NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.summary import Summary


class ApplyTotal(NamedTuple):
    """A whole dump, before and after; group figures are None where every element is its own group."""

    tensors: int
    elements: int
    norm_before: float
    norm_after: float
    max_abs_before: float
    max_abs_after: float
    groups: int | None
    clipped_groups: int | None
    clipped_elements: int


class ApplyLayer(NamedTuple):
    """One layer, before and after; `factor` is None unless all its params share it."""

    layer: str
    params: int
    elements: int
    norm_before: float
    norm_after: float
    factor: float | None
    clipped: bool
    strategy: str
    threshold: float | None


class ApplyParam(NamedTuple):
    """One tensor, before and after; None stands for what was not measured, since the tensor does not count."""

    name: str
    layer: str
    param: str
    shape: tuple[int, ...] | None
    dtype: str
    elements: int
    norm_before: float | None
    norm_after: float | None
    max_abs_before: float | None
    max_abs_after: float | None
    factor: float | None
    clipped: bool
    clipped_elements: int
    zeros: int | None
    nonfinite: int | None
    underflowed: int | None
    strategy: str | None
    threshold: float | None


class ApplyDump(NamedTuple):
    """One input and its output, which is None where nothing was written; a dump in shards is its index, or their list."""

    input: str | list[str]
    output: str | list[str] | None
    step: int | None
    total: ApplyTotal
    layers: list[ApplyLayer]
    params: list[ApplyParam]
    labels: dict[str, str]


class ApplyReport(NamedTuple):
    """What `apply` did."""

    strategy: str
    threshold: float | None
    norm_type: float
    epsilon: float
    nonfinite: str
    dumps: list[ApplyDump]
    notes: list[str]


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


class StatsReport(NamedTuple):
    """What `stats` found."""

    norm_type: float
    dumps: list[StatsDump]
    total: Summary
    layers: list[StatsLayer]
    params: list[StatsParam]
    suggestions: list[Suggestion]
    candidates: list[Candidate]
    labels: dict[str, str]
    series: list[list[float]]
    notes: list[str]
    failed: list[GradclipError]


class LsTensor(NamedTuple):
    """One tensor as the header names it."""

    input: str
    name: str
    layer: str
    param: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


class LsReport(NamedTuple):
    """What `ls` found."""

    tensors: list[LsTensor]
    labels: dict[str, str]
    notes: list[str]


class StrategyRow(NamedTuple):
    """One strategy as users may name it."""

    name: str
    aliases: tuple[str, ...]
    group: str
    rule: str
    threshold: bool
    source: str


class StrategiesReport(NamedTuple):
    """The registry of strategies."""

    strategies: list[StrategyRow]
    notes: list[str]


Report = ApplyReport | StatsReport | LsReport | StrategiesReport
