"""Hold a run against another: which steps both have, and where their norms part, by the rules of `diff`."""

from collections.abc import Mapping

from gradclip_cli.commands.diff.logged import NormRun, Norms, compare_norms
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.wanted_steps import listed
from gradclip_cli.notes import Note
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.reports.run import Parted
from gradclip_cli.reports.stats import MOST_NORMS, StatsReport
from gradclip_cli.text import plural

_WHOLE = "global norm"
"""What the norm of the whole is called beside those of blocks."""


def parted(norms: StatsReport, other: StatsReport) -> Parted:
    """Compare the norms of the steps that two runs share: of the whole, and of the blocks that both have."""
    own, its = _blocks(norms), _blocks(other)
    both = own.keys() & its.keys()
    a, b = (_run(one, {name: named[name] for name in both}) for one, named in ((norms, own), (other, its)))
    try:
        return Parted(compare_norms(a, b, Tolerance()))
    except UsageError as error:  # no step of one is a step of the other
        return Parted(None, error.message)


def _run(report: StatsReport, blocks: Mapping[str, Norms]) -> NormRun:
    inputs, steps, totals = zip(*((dump.input, dump.step, dump.norm) for dump in report.dumps), strict=True)
    return NormRun(report.inputs[0], report.column or _WHOLE, inputs, steps, totals, blocks)


def _blocks(report: StatsReport) -> dict[str, Norms]:
    """Return the norms of blocks; none of a log of the whole, and none where they are too many to compare one by one."""
    named = report.series and (report.series.blocks or report.series.layers)
    if not named or len(named.names) * len(report.dumps) > MOST_NORMS:
        return {}
    return dict(zip(named.names, named.norms, strict=True))


def on_steps(norms: StatsReport, other: StatsReport) -> list[Note]:
    """Note the steps that only one of two runs has; a dump without a step is held against none."""
    own, its = ({dump.step for dump in one.dumps if dump.step is not None} for one in (norms, other))
    lacks, more = sorted(own - its), sorted(its - own)
    if not lacks and not more:
        return []
    parts = [f"lacks {listed(lacks)}"] if lacks else []
    parts += [f"has {listed(more)}, which the run lacks"] if more else []
    what = f"{len(own & its):,} of {plural(len(own), 'step')} of the run are in it, too; it {' and '.join(parts)}"
    return [Note("against-steps", f"{other.inputs[0]}: {what}")]
