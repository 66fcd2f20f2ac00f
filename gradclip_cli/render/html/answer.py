"""Say at the top of a page what happened, in the words of `stats` and `check`: which step, which layer, which threshold."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.checks import NAMES
from gradclip_cli.render.html.parting import parting
from gradclip_cli.render.screens.check import BAD, label_of, on_screen
from gradclip_cli.render.screens.check_problems import Problem
from gradclip_cli.render.screens.stats_findings import found
from gradclip_cli.render.tables.check import nothing_found
from gradclip_cli.render.tables.stats import without_gradients
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.text import capital, sentence, shortlist

_DATED = ("nonfinite", "exploding")
"""The rules of which `stats` says more than `check`: the first tensor, the highest step, and what rose first."""

_MORE = 3
"""The most places that are named beside the worst."""


class Said(NamedTuple):
    """A sentence of the answer with its first words, and what it means: `bad`, `warn` or nothing of note."""

    style: str
    head: str
    rest: str


def answer(report: RunReport) -> list[Said]:
    """Return a line for each rule that found something, the worst first, how another run differs, and which threshold is advised."""
    if not report.stats.holds_norms:
        return [Said("warn", "", capital(sentence(without_gradients(report.stats))))]
    apart = [Said("", *said) for said in parting(report)]
    return [*_by_rule(report), *apart, *_advised(report.stats)]


def _by_rule(report: RunReport) -> Iterator[Said]:
    """Yield what stands out, or that `check` finds nothing."""
    check, dated = report.check, dict(_stands_out(report.stats))
    problems = dict[str, list[Problem]]()
    for one in on_screen(check):
        problems.setdefault(one.rule, []).append(one)
    for rule in NAMES:
        if rule in dated and (rule in _DATED or rule not in problems):
            yield dated[rule]
        elif rule in problems:
            yield _worst(report, rule, problems[rule])
    if not problems:
        head, rest = nothing_found(check)
        yield Said("", head.capitalize(), sentence(rest.strip()))


def _stands_out(report: StatsReport) -> Iterator[tuple[str, Said]]:
    """Yield what `stats` says first, each with the rule of `check` that is about the same."""
    for kind, when, what in found(report):
        rule = kind.text if kind.text in NAMES else "nonfinite"
        head = kind.text.capitalize() if rule == kind.text else kind.text
        yield rule, Said(kind.style, head, sentence(f"{_when(when)}: {what}".replace("  ", ": ").removeprefix(": ")))


def _when(when: str) -> str:
    """Say when something is so, after what it is.

    >>> _when("step 9"), _when("always"), _when("epoch-2")
    ('at step 9', 'always', 'in epoch-2')
    """
    if when.startswith(("from ", "always")) or not when:
        return when
    return f"at {when}" if when.startswith("step ") else f"in {when}"


def _worst(report: RunReport, rule: str, problems: Sequence[Problem]) -> Said:
    """Say where a rule finds most, when and what, as the screen of `check` does, and where else."""
    check = report.check
    first, *others = sorted(problems, key=lambda one: -one.size)
    place = [*filter(None, (label_of(first, check), first.tensors, first.when(check.dumps, check.noun)))]
    told = f"{', '.join(place)}: {first.what}" if place else first.what
    also = f"; also {_places(others, check)}" if others else ""
    head = _kinds(report.stats) if rule == "nonfinite" else rule.capitalize()
    return Said("bad" if rule in BAD else "warn", head, sentence(f"{told}{also}"))


def _places(problems: Sequence[Problem], check: CheckReport) -> str:
    return shortlist([*dict.fromkeys(label_of(one, check) for one in problems)], _MORE)


def _kinds(report: StatsReport) -> str:
    """Name what the norms are that are not finite."""
    norms = [dump.norm for dump in report.dumps]
    kinds = {"NaN": any(map(math.isnan, norms)), "Inf": any(map(math.isinf, norms))}
    return " and ".join(kind for kind, there in kinds.items() if there) or "Not finite"


def _advised(report: StatsReport) -> Iterator[Said]:
    """Say which threshold is advised, and why; or why there is none."""
    advice = report.advice
    if advice is not None:
        yield Said("", "", capital((advice.lines or [sentence(advice.reason)])[0]))
