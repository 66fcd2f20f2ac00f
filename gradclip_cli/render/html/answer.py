"""Say at the top of a page what happened, in the words of `stats` and `check`: which step, which layer, which threshold."""

from collections.abc import Iterator
from typing import NamedTuple

from gradclip_cli.render.screens.check_problems import problems
from gradclip_cli.render.screens.stats_findings import found
from gradclip_cli.render.tables.check import nothing_found
from gradclip_cli.render.tables.stats import without_gradients
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.text import plural, sentence


class Said(NamedTuple):
    """A sentence of the answer with its first words, and what it means: `bad`, `warn` or nothing of note."""

    style: str
    head: str
    rest: str


def answer(report: RunReport) -> list[Said]:
    """Return what stands out, what else `check` found, and which threshold is advised; the worst first."""
    if not report.stats.holds_norms:
        return [Said("warn", "", sentence(without_gradients(report.stats)))]
    return [*_stands_out(report.stats), _checked(report), *_advised(report.stats)]


def _stands_out(report: StatsReport) -> Iterator[Said]:
    for kind, when, what in found(report):
        head = kind.text if kind.text.isupper() or kind.text == "NaN" else kind.text.capitalize()
        yield Said(kind.style, head, sentence(f"{_when(when)}: {what}".replace("  ", ": ").removeprefix(": ")))


def _when(when: str) -> str:
    """Say when something is so, after what it is.

    >>> _when("step 9"), _when("always"), _when("epoch-2")
    ('at step 9', 'always', 'in epoch-2')
    """
    if when.startswith(("from ", "always")) or not when:
        return when
    return f"at {when}" if when.startswith("step ") else f"in {when}"


def _checked(report: RunReport) -> Said:
    """Name the problems that `check` finds, or say that it finds none."""
    check = report.check
    rules = list(dict.fromkeys(one.rule for one in problems(check.findings)))
    if rules:
        among = f"in {plural(check.dumps, check.noun)}: {', '.join(rules)}."
        return Said("", f"{plural(len(rules), 'problem')}", among)
    head, rest = nothing_found(check)
    return Said("", head.capitalize(), sentence(rest.strip()))


def _advised(report: StatsReport) -> Iterator[Said]:
    """Say which threshold is advised, and why; or why there is none."""
    advice = report.advice
    if advice is None:
        return
    lines = advice.lines or [sentence(advice.reason)]
    first = lines[0]
    yield Said("", "", f"{first[:1].upper()}{first[1:]}")
