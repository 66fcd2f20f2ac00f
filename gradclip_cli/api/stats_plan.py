"""Make the plan of `stats`, which `report` makes, too, of the same keywords."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradclip_cli.api.arguments import Client, Paths, paths_of, selection_of, strategy_of
from gradclip_cli.api.stores import StoreKeywords
from gradclip_cli.api.weights import weights_at
from gradclip_cli.commands.stats.plan import EVERY, StatsPlan, Trial
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import Found, find_dumps
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.norm_logs.base import LogOptions, Logs
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps
from gradclip_cli.strategies import Strategy
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.rules import AutoRule, Rule, parse_rule


class StatsKeywords(StoreKeywords, total=False):
    """The keywords of `stats` that say what is read, what counts of it, and how thresholds are chosen; and what does the work."""

    strategy: str | Strategy | None
    rule: str | Rule | AdaptiveRule | AutoRule
    tries: Iterable[str | Trial]
    norm_type: float | None
    epsilon: float | None
    include: Iterable[str]
    exclude: Iterable[str]
    group_depth: int | None
    layer_regex: str | None
    void_dtype: str | None
    allow_huge: bool
    input_format: str | None
    skip_steps: int
    allow_missing: bool
    keep_going: bool
    shards: bool
    files: Iterable[str]
    steps: str | int | WantedSteps | None
    repeated: str | None
    accumulate: str | None
    along: int | None
    replicated: Iterable[str]
    tied: str
    unscale: float | str | None
    column: str | None
    jobs: int | None
    weights: Paths
    lr: float | None
    unit_axis: str
    min_weight_norm: float
    cache: bool
    scheduler: str | Client | None


def stats_plan(paths: Sequence[str], logs: Sequence[str], asked: Mapping[str, Any]) -> StatsPlan:
    """Return the plan for paths, which are dumps unless `logs` are found among them; `asked` holds all of `StatsKeywords`."""
    repeated = asked["repeated"]
    choices = Choices(
        tuple(asked["files"]),
        asked["shards"],
        repeated,
        accumulate=asked["accumulate"],
        steps=parse_steps(asked["steps"]) if asked["along"] is None else None,  # those of slices are inside the files
    )
    strategy, rule = asked["strategy"], asked["rule"]
    found = Found(()) if logs else find_dumps(paths, choices)
    rule = parse_rule(rule) if isinstance(rule, str) else rule
    own = weights_at(asked["weights"], shards=asked["shards"])
    chosen = strategy_of(strategy) if strategy and strategy != EVERY else None
    if strategy is None and isinstance(rule, AdaptiveRule) and rule.bound:
        chosen = rule.own
    return StatsPlan(
        inputs=found.sources,
        given=tuple(logs or paths),
        choices=choices,
        every=strategy == EVERY,
        notes=(*found.notes, *own.notes),
        repeated=repeated,
        logs=Logs(tuple(logs), LogOptions(asked["column"], repeated, parse_unscale(asked["unscale"])))
        if logs
        else None,
        strategy=chosen,
        rule=rule,
        norm=Norm.asked(asked["norm_type"], asked["epsilon"]) or Norm(),
        selection=selection_of(asked, found.sources, or_logs=True),
        skip_steps=asked["skip_steps"],
        allow_missing=asked["allow_missing"],
        keep_going=asked["keep_going"],
        jobs=asked["jobs"],
        cache=asked["cache"],
        tries=tuple((Trial.parse(text) if isinstance(text, str) else text).of(chosen) for text in asked["tries"]),
        weights=own.sources,
        weights_at=tuple(paths_of(asked["weights"])),
        lr=asked["lr"],
        unit_axis=asked["unit_axis"],
        min_weight_norm=asked["min_weight_norm"],
    )
