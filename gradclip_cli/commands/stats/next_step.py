"""Write the command that applies the advised threshold to the dumps at hand, as a dry run."""

import shlex
from os.path import splitext

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.as_options import as_number, as_options
from gradclip_cli.inputs.dumps_of_steps import of_steps
from gradclip_cli.inputs.unit_axis import AUTO, MIN_WEIGHT_NORM
from gradclip_cli.reports.stats_thresholds import Advised
from gradclip_cli.strategies import Group, find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import printable

_MOST_PATHS = 3
"""The most paths that are repeated in a command."""


def next_command(plan: StatsPlan, advice: Advised, *, bad: bool) -> str:
    """Return the command that tries the advice, an empty text where there is none; `bad` says that a dump is not finite.

    There is none either for some steps of a file, since `apply` takes whole files, or where a value does not print.
    """
    options = as_options(plan.selection, plan.choices, allow_missing=plan.allow_missing)
    if advice.threshold is None or advice.too_few or options is None or not _of_whole_files(plan):
        return ""
    default = Norm()
    words = [
        _paths(plan),
        f"-o {_output(plan)}",
        *([] if advice.strategy == GLOBAL.name else [f"-s {advice.strategy}"]),
        f"-t {advice.threshold:.4g}",
        *_beside(plan, advice),
        *([f"--norm-type {as_number(plan.norm.type)}"] if plan.norm.type != default.type else []),
        *([f"--epsilon {as_number(plan.norm.epsilon)}"] if plan.norm.epsilon != default.epsilon else []),
        *options,
        *(["--nonfinite zero"] if bad else []),
        "--dry-run",
    ]
    return " ".join(["gradclip apply", *words])


def _beside(plan: StatsPlan, advice: Advised) -> list[str]:
    """Return the options of strategies that take weights, or limit units."""
    strategy = find(advice.strategy)
    weights = plan.weights_at if strategy.takes_weights else ()
    axis = [f"--unit-axis {plan.unit_axis}"] if strategy.group is Group.UNIT and plan.unit_axis != AUTO else []
    least = plan.min_weight_norm
    floor = [f"--min-weight-norm {as_number(least)}"] if weights and least != MIN_WEIGHT_NORM else []
    return [*(f"--weights {shlex.quote(path)}" for path in weights), *floor, *axis]


def _of_whole_files(plan: StatsPlan) -> bool:
    if plan.selection.steps is None:
        return True
    try:
        of_steps(plan.inputs, plan.selection.steps, whole_files=True)
    except UsageError:
        return False
    return plan.selection.along is None


def _paths(plan: StatsPlan) -> str:
    if not plan.given or len(plan.given) > _MOST_PATHS or not all(printable(path) == path for path in plan.given):
        return "FILE..." if len(plan.inputs) > 1 else "FILE"
    return " ".join(map(shlex.quote, plan.given))


def _output(plan: StatsPlan) -> str:
    """Name an output: a folder for several files, else a file of the same kind."""
    suffix = splitext(plan.given[0].rstrip("/"))[1] if plan.given else ""
    return shlex.quote(f"clipped{suffix}") if len(plan.inputs) == 1 and len(suffix) > 1 else "clipped/"
