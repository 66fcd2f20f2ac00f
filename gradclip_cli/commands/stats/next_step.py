"""Write the command that applies the advised threshold to the dumps at hand, as a dry run."""

import shlex
from os.path import splitext

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.reports.stats_thresholds import Advised
from gradclip_cli.strategies.base import Norm
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import printable

_MOST_PATHS = 3
"""The most paths that are repeated in a command."""


def selected(plan: StatsPlan) -> list[tuple[str, str]]:
    """Return the options, with their values, that choose dumps and tensors."""
    steps = plan.selection.steps
    along, accumulate = plan.selection.along, plan.inputs[0].layout.accumulate if plan.inputs else None
    return [
        *([("--steps", str(steps))] if steps is not None else []),
        *([("--along", str(along))] if along is not None else []),
        *([("--accumulate", accumulate)] if accumulate else []),
        *(("--include", pattern) for pattern in plan.selection.include),
        *(("--exclude", pattern) for pattern in plan.selection.exclude),
    ]


def next_command(plan: StatsPlan, advice: Advised, *, bad: bool) -> str:
    """Return the command that tries the advice, an empty text where there is none; `bad` says that a dump is not finite."""
    if advice.threshold is None or advice.too_few:
        return ""
    default = Norm()
    words = [
        _paths(plan),
        f"-o {_output(plan)}",
        *([] if advice.strategy == GLOBAL.name else [f"-s {advice.strategy}"]),
        f"-t {advice.threshold:.4g}",
        *([f"--norm-type {plan.norm.type:g}"] if plan.norm.type != default.type else []),
        *([f"--epsilon {plan.norm.epsilon:g}"] if plan.norm.epsilon != default.epsilon else []),
        *(f"{option} {shlex.quote(printable(value))}" for option, value in selected(plan)),
        *(["--nonfinite zero"] if bad else []),
        "--dry-run",
    ]
    return " ".join(["gradclip apply", *words])


def _paths(plan: StatsPlan) -> str:
    if not plan.given or len(plan.given) > _MOST_PATHS or not all(path.isprintable() for path in plan.given):
        return "FILE..." if len(plan.inputs) > 1 else "FILE"
    return " ".join(map(shlex.quote, plan.given))


def _output(plan: StatsPlan) -> str:
    """Name an output: a folder for several files, else a file of the same kind."""
    suffix = splitext(plan.given[0].rstrip("/"))[1] if plan.given else ""
    return shlex.quote(f"clipped{suffix}") if len(plan.inputs) == 1 and len(suffix) > 1 else "clipped/"
