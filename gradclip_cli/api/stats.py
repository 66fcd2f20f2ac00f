"""The function `stats`: measure norms, and suggest thresholds."""

from collections.abc import Iterable

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Client, Paths, Progress, begin, checked, paths_of, strategy_of
from gradclip_cli.commands.stats.plan import EVERY, StatsPlan, Trial
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import Found, find_dumps
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.norm_logs.base import LogOptions, Logs
from gradclip_cli.inputs.norm_logs.finding import find_logs, refuse_options
from gradclip_cli.inputs.selection import Selection, replicated_in
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.strategies import Strategy
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.rules import AutoRule, Rule, parse_rule


@checked
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
    jobs: int | None = None,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
) -> StatsReport:
    """Measure the norms of one dump or of a series and suggest thresholds.

    `strategy` may be "all". Without it, JSON has thresholds for all strategies, as with "all", and a screen shows that for
    clip-by-global-norm; with "all" it shows those of all. `tries` holds values of `--try`, such as
    "clip-l2-per-layer:mad:5". Under a rule with a threshold for each step, such as "autoclip:10", the report's `replay` has a row
    for each step, or `replay_groups` one for each layer or tensor. The rule "auto" is the advised one.
    `inputs` may be logs of norms, as trainers write them, whose `column` is taken.
    Raises `GradclipError`.
    """
    wanted = parse_steps(steps)
    by_name = wanted if along is None else None  # the steps of slices are inside the files
    choices = Choices(tuple(files), shards, repeated, accumulate=accumulate, steps=by_name)
    logs = find_logs(paths_of(inputs), input_format, column)
    if logs:
        given: dict[str, object] = {
            "include": tuple(include),
            "exclude": tuple(exclude),
            "void_dtype": void_dtype,
            "allow_huge": allow_huge,
            "shards": shards,
            "files": tuple(files),
            "accumulate": accumulate,
            "along": along,
            "replicated": tuple(replicated),
            "tied": tied,
            "allow_missing": allow_missing,
            "keep_going": keep_going,
            "norm_type": norm_type,
            "scheduler": scheduler,
        }
        refuse_options(logs[0], given)
    elif column is not None:
        raise UsageError("--column chooses a column of a log, and no log is given; leave it out")
    found = Found(()) if logs else find_dumps(paths_of(inputs), choices)
    naming = Naming.parse(layer_regex, group_depth)
    every = strategy == EVERY
    chosen = strategy_of(strategy) if strategy and not every else None
    plan = StatsPlan(
        inputs=found.sources,
        given=tuple(logs or paths_of(inputs)),
        choices=choices,
        every=every,
        notes=found.notes,
        repeated=repeated,
        logs=Logs(tuple(logs), LogOptions(column, repeated, parse_unscale(unscale))) if logs else None,
        strategy=chosen,
        rule=parse_rule(rule) if isinstance(rule, str) else rule,
        norm=Norm.asked(norm_type, epsilon) or Norm(),
        selection=Selection(
            tuple(include),
            tuple(exclude),
            naming,
            None if logs else input_format,
            void_dtype,
            allow_huge,
            along=along,
            unscale=parse_unscale(unscale),
            replicated=replicated_in(found.sources, replicated),
            tied=tied,
            steps=wanted,
        ),
        skip_steps=skip_steps,
        allow_missing=allow_missing,
        keep_going=keep_going,
        jobs=jobs,
        tries=tuple((Trial.parse(text) if isinstance(text, str) else text).of(chosen) for text in tries),
    )
    return pipeline.stats(plan, begin(progress, found.sources, 1), scheduler)
