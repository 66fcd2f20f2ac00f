"""List the tensors of a series that are not finite, each in the first dump in which it is not."""

from collections.abc import Sequence

from gradclip_cli.checks.forward_order import forward_key
from gradclip_cli.commands.stats.layout import order
from gradclip_cli.commands.stats.rows import NormRow
from gradclip_cli.inputs.ordering import by_step
from gradclip_cli.numerics.first_nonfinite import Nonfinite
from gradclip_cli.reports.stats_findings import NonfiniteTensor
from gradclip_cli.thresholds.norm_table import Step

Dumps = Sequence[tuple[NormRow, Sequence[Nonfinite]]]


def first_nonfinite(dumps: Dumps) -> list[NonfiniteTensor]:
    """Return each tensor once, in the order of its first dumps; the tensors of a dump from the last layer to the first."""
    found: list[NonfiniteTensor] = []
    seen = set[str]()
    for row, tensors in by_step(dumps, lambda one: order(one[0])):
        new = [one for one in tensors if one.name not in seen]
        new.sort(key=lambda one: (forward_key(one.name), one.name), reverse=True)
        seen.update(one.name for one in new)
        found += [_tensor(row.norms.step, one) for one in new]
    return found


def _tensor(step: Step, one: Nonfinite) -> NonfiniteTensor:
    counts = one.nan, one.posinf, one.neginf, one.elements
    return NonfiniteTensor(step.input, step.number, one.name, *counts, one.kind, list(one.place), one.file)
