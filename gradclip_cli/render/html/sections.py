"""Write what stands around the pictures: the answer, facts, findings, thresholds, the screen of `stats`, inputs and notes."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import groupby

from gradclip_cli._version import __version__
from gradclip_cli.render.html.answer import answer
from gradclip_cli.render.html.elements import folded, items, of_grid, pairs, section, table, text
from gradclip_cli.render.html.picture import NumberTable
from gradclip_cli.render.screens import screen
from gradclip_cli.render.screens.check import label_of
from gradclip_cli.render.screens.check_problems import Problem, problems
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.writer import as_html
from gradclip_cli.render.tables.check import summary
from gradclip_cli.render.tables.grid import figure, norm_name
from gradclip_cli.render.tables.stats import grids
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.text import plural, printable, ranges

_WIDTH = 100
"""The width of a screen, in characters."""

_STYLES = {
    "bad": "color:var(--bad)",
    "warn": "color:var(--warn)",
    "strong": "font-weight:bold",
    "dim": "color:var(--dim)",
}


_OF_BLOCKS = (
    "Growth is told here of blocks, each as one vector. What check found, and the answer above, is told of layers and of the whole, "
    "so steps and levels are others."
)
"""Why two parts of a page have different figures."""


def head(report: RunReport) -> str:
    """Return what stands above the pictures: the title, the answer, and what the run holds."""
    lines = "".join(
        f'<p class="{one.style or "plain"}">{f"<strong>{text(one.head)}</strong> " if one.head else ""}{text(one.rest)}</p>'
        for one in answer(report)
    )
    against = report.against
    other = [] if against is None else [section("against", f"Held against {_inputs(against)}", pairs(_facts(against)))]
    facts = section("facts", "Key facts", pairs(_facts(report.stats)), *other)
    return f"<h1>{text(report.title)}</h1>\n<div class=answer>{lines}</div>\n{facts}"


def _facts(report: StatsReport) -> Iterator[tuple[str, str]]:
    """Yield the figures of a run that people ask for first."""
    steps = sorted({dump.step for dump in report.dumps if dump.step is not None})
    size, total, norm = report.size, report.total, norm_name(report.norm_type)
    yield "dumps" if report.source is None else "steps of the log", f"{len(report.dumps):,}"
    if steps:
        every = steps[-1] - steps[0] + 1 == len(steps)
        yield "steps", ranges(steps) if every else f"{steps[0]} to {steps[-1]}"
    if size is not None and size.tensors:
        yield "tensors", f"{size.tensors:,}"
        yield f"{report.block_noun}s", f"{len(report.blocks):,}" if report.blocks else ""
        yield "values in a dump", "" if size.elements is None else f"{size.elements:,}"
        yield "dtypes", " and ".join(size.dtypes)
    if report.column:
        yield "column", report.column
    if not total.count:
        yield f"finite {norm}s", "none"
        return
    if total.count == 1:
        yield norm, figure(total.mean)
        return
    yield f"median {norm}", figure(total.median)
    yield f"90 % of {norm}s are below", figure(total.p90)
    yield f"largest {norm}", figure(total.max)
    yield "not finite", plural(total.nonfinite, "dump" if report.source is None else "step") if total.nonfinite else ""


def _inputs(report: StatsReport) -> str:
    return ", ".join(report.inputs)


def findings(report: RunReport) -> str:
    """Return what `check` found, a table with a row for each problem, by rule, and what to do about it."""
    check = report.check
    every = problems(check.findings)
    heads = ("rule", "where", "concerns", "when", "what")
    rows = [(one.rule, label_of(one, check), one.tensors, one.when(check.dumps, check.noun), one.what) for one in every]
    found = table(NumberTable("Problems by rule", heads, rows)) if rows else ""
    causes = [f"{rule}: {line}" for rule, group in groupby(every, lambda one: one.rule) for line in _causes([*group])]
    return section("findings", "What check found", f"<p>{text(summary(check))}</p>", found, items(causes))


def _causes(of_rule: Sequence[Problem]) -> list[str]:
    """Return where the problems of a rule come from, and what to do."""
    every = [finding for one in of_rule for finding in one.findings]
    return [*filter(None, dict.fromkeys([*(one.cause for one in every), *(one.advice for one in every)]))]


def thresholds(report: RunReport) -> str:
    """Return the tables of thresholds: what each rule chooses, what is suggested, and what the user tries."""
    if not report.stats.holds_norms:
        return ""
    found = [of_grid(grid) for grid in grids(report.stats, frozenset({"total"}))]
    shown = [table(one._replace(caption=one.caption[:1].upper() + one.caption[1:])) for one in found if one.rows]
    return section("thresholds", "Thresholds", *shown)


def screens(report: RunReport) -> str:
    """Return the screen of `stats` as text, of both runs if there are two."""
    both = [report.stats, *([] if report.against is None else [report.against])]
    shown = [as_html(screen(one, Room(_WIDTH, whole=True)), _STYLES) for one in both]
    told = f"<p>{text(_OF_BLOCKS)}</p>" if report.stats.growing and not report.stats.blocks_are_layers else ""
    boxes = (one.replace("<pre ", "<pre class=box tabindex=0 ", 1) for one in shown)
    return section("screen", "What stats says", told, *boxes)


def inputs(report: RunReport) -> str:
    """Return the inputs as the user gave them, the notes, and the dumps that were left out."""
    given = [
        *report.stats.inputs,
        *(f"held against {one}" for one in (report.against.inputs if report.against else ())),
    ]
    left = report.stats.size.others if report.stats.size is not None else {}
    failed = [f"left out: {plural(number, 'tensor')} of {dtype}" for dtype, number in left.items()]
    failed += [f"left out: {one}" for one in report.failed]
    return section(
        "inputs",
        "Inputs and notes",
        items(map(printable, given)),
        items([*failed, *(one.text for one in report.notes)]),
    )


def foot(licences: bool) -> str:
    """Return the version of gradclip, and the licences of what draws the pictures where that is part of the page."""
    named = files("gradclip_cli.render.html").joinpath("licences.txt").read_text(encoding="utf-8")
    lines = "\n".join(map(text, named.splitlines()))
    title = "Licences of Vega, Vega-Lite, Vega-Embed and D3, which draw the pictures"
    told = folded(title, f"<pre class=box tabindex=0>{lines}</pre>") if licences else ""
    return f"<footer><p>Written by gradclip {text(__version__)}.</p>{told}</footer>\n"
