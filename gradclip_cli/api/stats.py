"""The function `stats`: measure norms, and suggest thresholds."""

from collections.abc import Iterable
from shlex import quote
from typing import Unpack

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Client, Paths, Progress, begin, checked, paths_of
from gradclip_cli.api.stats_plan import stats_plan
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.commands.stats.plan import Trial
from gradclip_cli.inputs.norm_logs.finding import find_logs, refuse_column, refuse_options
from gradclip_cli.inputs.unit_axis import AUTO, MIN_WEIGHT_NORM
from gradclip_cli.inputs.wanted_steps import WantedSteps
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.strategies import Strategy
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.rules import AutoRule, Rule


@checked
@asks_stores
def stats(
    inputs: Paths,
    *,
    strategy: str | Strategy | None = None,
    rule: str | Rule | AdaptiveRule | AutoRule = "mean",
    tries: Iterable[str | Trial] = (),
    norm_type: float | None = None,
    epsilon: float | None = None,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    skip_steps: int = 0,
    allow_missing: bool = False,
    keep_going: bool = False,
    shards: bool = False,
    files: Iterable[str] = (),
    steps: str | int | WantedSteps | None = None,
    repeated: str | None = None,
    accumulate: str | None = None,
    along: int | None = None,
    replicated: Iterable[str] = (),
    tied: str = "twice",
    unscale: float | str | None = None,
    column: str | None = None,
    weights: Paths = (),
    lr: float | None = None,
    unit_axis: str = AUTO,
    min_weight_norm: float = MIN_WEIGHT_NORM,
    jobs: int | None = None,
    cache: bool = False,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
    **stores: Unpack[StoreKeywords],
) -> StatsReport:
    """Measure the norms of one dump or of a series and suggest thresholds.

    `strategy` may be "all". Without it, JSON has thresholds for all strategies, as with "all", and a screen shows that for
    clip-by-global-norm; with "all" it shows those of all. `tries` holds values of `--try`, such as
    "clip-l2-per-layer:mad:5". Under a rule with a threshold for each step, such as "autoclip:10", the report's `replay` has a row
    for each step, or `replay_groups` one for each layer or tensor. The rule "auto" is the advised one.
    `inputs` may be logs of norms, as trainers write them, whose `column` is taken. `weights` are one dump or one for each step;
    then rows have ratios of gradients to weights and, with the learning rate `lr`, update ratios. With `cache`, the figures of
    dumps that have not changed since an earlier such call are taken from there, and the report's `cached` counts these dumps.
    Raises `GradclipError`.
    """
    asked, paths = locals(), paths_of(inputs)
    logs = find_logs(paths, input_format, column)
    if logs:
        refuse_options(logs[0], asked)
    else:
        refuse_column(column)
    plan = stats_plan(paths, logs, asked)
    report = pipeline.stats(plan, begin(progress, plan.inputs, 2 if plan.rereads else 1), scheduler)
    if report.command and isinstance(scheduler, str):
        return report._replace(command=f"{report.command} --scheduler {quote(scheduler)}")
    return report
