"""Make the table of `check`: one finding a line, under a summary."""

from collections import Counter

from gradclip_cli.render.tables.grid import Column, Grid, figure, location
from gradclip_cli.reports.check import CheckReport, Finding
from gradclip_cli.text import plural, printable

_COLUMNS = (
    Column("rule", text=True),
    Column("step"),
    Column("layer", text=True),
    Column("param", text=True),
    Column("value", rank=1),
    Column("limit", rank=2),
    Column("message", text=True, rank=2, below=True),
    Column("input", text=True, rank=1, below=True),
)


def grids(report: CheckReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the one table."""
    records = (finding._asdict() for finding in report.findings)
    return [Grid(summary(report), _COLUMNS, [_row(finding) for finding in report.findings], records=records)]


def summary(report: CheckReport) -> str:
    """Return the number of findings, in all and by rule, as text."""
    dumps = plural(report.dumps, report.noun)
    if not report.findings:
        return "".join(nothing_found(report))
    rules = sorted(Counter(finding.rule for finding in report.findings).items())
    return f"{plural(len(report.findings), 'finding')} in {dumps}: {', '.join(f'{rule} {n:,}' for rule, n in rules)}"


def nothing_found(report: CheckReport) -> tuple[str, str]:
    """Return the verdict on dumps without findings in two parts; what could not be judged is never told as sound."""
    dumps = plural(report.dumps, report.noun)
    if not report.gradients:
        return f"no gradient in {dumps}", ": nothing was checked"
    return "no findings", f" in {dumps}{f'; {report.unjudged}' if report.unjudged else ''}"


def _row(finding: Finding) -> tuple[str, ...]:
    return (
        finding.rule,
        "-" if finding.step is None else str(finding.step),
        "-" if finding.layer is None else printable(finding.layer),
        "-" if finding.param is None else printable(finding.param),
        f"{finding.value:,}" if isinstance(finding.value, int) else figure(finding.value),
        figure(finding.limit),
        finding.message,
        location(finding.input),
    )
