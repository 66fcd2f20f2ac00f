"""Reports of runs, for the tests of pictures and pages."""

import gradclip_cli
from gradclip_cli.commands.report.against import parted
from gradclip_cli.reports.run import RunReport


def run_report(
    inputs: str,
    title: str = "run",
    against: str | None = None,
    tries: tuple[str, ...] = (),
    weights: tuple[str, ...] = (),
    lr: float | None = None,
) -> RunReport:
    """Return what a page shows of a run."""
    norms = gradclip_cli.stats(inputs, tries=tries, weights=weights, lr=lr)
    found = gradclip_cli.check(inputs, weights=weights)
    other = None if against is None else gradclip_cli.stats(against)
    apart = None if other is None else parted(norms, other)
    return RunReport(title, norms, found, other, norms.notes, [], parted=apart)
