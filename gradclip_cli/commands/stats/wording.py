"""Write the sentences of `stats` about norms; other modules decide which of them hold."""

import shlex
from collections.abc import Sequence

from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.text import percent, plural, printable, times
from gradclip_cli.thresholds.base import MIN_STEPS
from gradclip_cli.thresholds.norm_table import Step

_CLIPS = {
    Group.DUMP: "{} of the steps",
    Group.LAYER: "{} of the norms of layers",
    Group.TENSOR: "{} of the norms of tensors",
    Group.UNIT: "{} of the norms of units",
    Group.ELEMENT: "elements in {} of the tensors",
}


def step_name(step: Step) -> str:
    """Name a step by its number, or else by its file."""
    if step.name is not None:
        return step.name
    path = step.input if isinstance(step.input, str) else step.input[0]
    return printable(path) if step.number is None else f"step {step.number}"


def shell_path(step: Step) -> str:
    """Quote the path of a dump for a shell; FILE where there are several paths, or it is not printable."""
    return shlex.quote(step.input) if isinstance(step.input, str) and step.input.isprintable() else "FILE"


def shortage(samples: int, *, clips: bool) -> str:
    """Say that there are few samples and, where there is one only and it is not clipped, that as well."""
    return f"only {plural(samples, 'sample')}{'' if clips or samples != 1 else ', so nothing of it would be clipped'}"


def nonfinite_steps(bad: Sequence[Step], steps: int, *, of_log: bool = False) -> str:
    """Say how many steps are not finite, and name the first, which `check` looks at if it is a dump."""
    share = f"{len(bad)} of {plural(steps, 'step')} {'is' if len(bad) == 1 else 'are'} not finite and left out"
    if of_log:
        return f"{share}; the first is {step_name(bad[0])}: look at all with --by step."
    first = f"{step_name(bad[0])}: look at it with `gradclip check {shell_path(bad[0])}`"
    return f"{share}; the first is {first}, or at all with --by step."


def spike(step: Step, where: str, value: float, ratio: float) -> str:
    """Say where a spike is, and how high."""
    group = f"{printable(where)} " if where else ""
    return f"{step_name(step)}: {group}{value:.4g}, {times(ratio)} its neighbours"


def exploding(highest: Sequence[str], explosions: int, steps: int, *, led: bool) -> str:
    """Say how many steps explode, how high they are, and whether the mean is still a guide."""
    more = f"; and {explosions - len(highest)} more" if explosions > len(highest) else ""
    verb = "explodes" if explosions == 1 else "explode"
    named = f" ({'; '.join(highest)}{more})" if highest else ""
    which = f"{explosions} of {plural(steps, 'step')} {verb}{named}"
    return f"{which}, so the mean is no guide" if led else f"{which}, which moves the mean little"


def mostly_zero(*, led: bool) -> str:
    """Say that zeros are left out, and whether a few large norms lead the mean of the others."""
    others = ", and a few large ones lead the mean of the others" if led else ""
    return f"more than half of the norms are 0 and left out{others}"


def led_by_some_groups(group: Group) -> str:
    """Say that some layers, tensors or elements are far larger than others at every step."""
    own = ": --by layer lists one for each" if group is Group.LAYER else ""
    return (
        f"some are far larger than others at every step, so the mean is theirs, and one threshold fits few of them{own}"
    )


def led_by_some_steps(ratio: float) -> str:
    """Say that the mean is far above the median."""
    return f"the mean is {times(ratio)} the median, so it is led by a few large norms"


def steady(top: float, group: Group, guide: str) -> str:
    """Say that nothing explodes, and which guide to use."""
    whose = "its neighbours" if group is Group.DUMP else "its own neighbours"
    return f"no step explodes (nothing is above {top:.3g} times {whose}), {guide}"


def few_steps(steps: int) -> str:
    """Say on how little an advice rests."""
    return f"{plural(steps, 'step')} are few, so measure more before you rely on it"


def few_choose_nothing(steps: int, rule: str, strategy: Strategy, rate: float) -> tuple[str, str]:
    """Say that so few steps choose no threshold, since the rule would clip so much: where the strategy is plain, and in full."""
    which = "the mean" if rule == "mean" else rule
    first, share = f"{plural(steps, 'step')} choose nothing yet", _CLIPS[strategy.group].format(percent(rate))
    rest = f": {which} would clip {share}. Measure {MIN_STEPS} or more"
    return f"{first}{rest}", f"{first} for {strategy.name}{rest}"


def clipping(group: Group, rate: float) -> str:
    """Say how much a threshold would clip."""
    return f"it would clip {_CLIPS[group].format(f'{percent(rate)}')}"
