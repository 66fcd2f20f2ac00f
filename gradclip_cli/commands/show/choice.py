"""Find the tensors of a dump that a user names, before their elements are read."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from gradclip_cli.commands.plans import ShowPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.patterns import unmatched
from gradclip_cli.inputs.steps import step_named
from gradclip_cli.inputs.wanted_steps import WantedSteps
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import printable, shortlist


class Chosen(NamedTuple):
    """The names of tensors in the files of a dump, and the loss scale of their elements."""

    names: list[str]
    scale: float


def choose(plan: ShowPlan, pattern: str, run: Run) -> Chosen:
    """Return the tensors that a pattern matches; a name stands for itself, even if it reads like a pattern.

    Raises UsageError where there is none, or where all of them hold no gradients. Only headers are read.
    """
    with run.open(plan.input) as dump:
        for _ in dump.each():
            pass
        dump.check()
    specs = {spec.name: spec for spec in reversed(dump.tensors) if run.selection.takes(spec.name)}
    found = _matching(pattern, list(reversed(specs)), run.selection.steps)
    gradients = [name for name in found if specs[name].dtype.is_gradient]
    if not gradients:
        raise UsageError(f"{printable(plan.input.location)}: {_no_gradient([specs[name] for name in found])}")
    return Chosen(gradients, dump.scale)


def _matching(pattern: str, names: Sequence[str], steps: WantedSteps | None) -> list[str]:
    """Return the one name that is the pattern, or all that it matches, also inside the groups of steps."""
    inside = step_groups(names)
    short = dict(zip(names, inside.names or names, strict=True))
    if inside.groups and steps is not None:
        names = [name for name in names if steps.takes(step_named(name.partition("/")[0]))]
    same = [name for name in names if pattern in (name, short[name])]
    found = same or [name for name in names if fnmatchcase(name, pattern) or fnmatchcase(short[name], pattern)]
    if not found:
        raise UsageError(unmatched("TENSOR", pattern, names))
    return found


def _no_gradient(specs: Sequence[TensorSpec]) -> str:
    """Say that tensors are of a dtype that is no gradient's."""
    if len(specs) == 1:
        return f"{printable(specs[0].name)} is {specs[0].dtype.name}, and no gradient; `gradclip ls` lists the tensors"
    names = shortlist([f"{spec.name} ({spec.dtype.name})" for spec in specs], 4)
    return f"no gradients among the {len(specs)} tensors that match: {names}; `gradclip ls` lists the tensors"
