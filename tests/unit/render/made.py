"""Reports that the tests of their formats share, and their text."""

import io
import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from support.parsing import strict

from gradclip_cli import render
from gradclip_cli.notes import Note
from gradclip_cli.render.view import View
from gradclip_cli.reports.apply import ApplyDump, ApplyLayer, ApplyParam, ApplyReport, ApplyTotal
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.listing import LsReport, LsTensor, StrategiesReport, StrategyRow
from gradclip_cli.reports.stats import StatsBlock, StatsDump, StatsLayer, StatsParam, StatsReport
from gradclip_cli.reports.stats_thresholds import Suggestion
from gradclip_cli.thresholds.samples import NormSamples

NAME = "[red]lstm.weight_ih_l0" + "x" * 300

PARAM = ApplyParam(
    NAME, "lstm", "w", (2, 3), "float32", 6, 5.0, 1.0, math.inf, 0.1, 0.2, True, 6, 0, 0, 0, "clip-l2-per-layer", 1.0
)

LEFT_OUT = ApplyParam(
    "ids", "ids", "", (2,), "int64", 2, None, None, None, None, None, False, 0, None, None, None, None, None
)

LAYER = ApplyLayer("lstm", 1, 6, 5.0, 1.0, 0.2, True, "clip-l2-per-layer", 1.0, math.inf, 0.1, 1, None)

TOTAL = ApplyTotal(1, 6, math.nan, 1.0, -math.inf, 0.1, 1, 1, 6)

APPLY = ApplyReport(
    "clip-l2-per-layer",
    1.0,
    2.0,
    0.0,
    "error",
    [ApplyDump("in.npz", None, 7, TOTAL, [LAYER], [PARAM, LEFT_OUT], {})],
    [Note("kind", "a note")],
)

SUMMARY = NormSamples([1.0, 2.0, math.nan]).summary()

EMPTY = NormSamples([math.nan]).summary()

SUGGESTION = Suggestion("clip-by-global-norm", "mean", 2, 1.5, 0.5, 0.875, (0.75, 15.0), "a hint")

STATS = StatsReport(
    2.0,
    [StatsDump("a.npz", None, math.nan, 1 / 3, 2)],
    SUMMARY,
    [StatsBlock("lstm", 1, SUMMARY)],
    [StatsLayer("lstm", SUMMARY)],
    [StatsParam(NAME, "lstm", "w", (2, 3), "float32", EMPTY)],
    [SUGGESTION],
    [],
    {},
    [],
    [],
)

LS = LsReport([LsTensor("a.npz", NAME, "lstm", "w", (), "bfloat16", 2)], {}, [Note("kind", "a note")])

WIDE = LsReport([LsTensor(f"run/{k}.npz", NAME, NAME, NAME, (), "float32", 10**k) for k in range(9)], {}, [])

STRATEGIES = StrategiesReport([StrategyRow("none", ("None",), "-", "unchanged", False, "DL4J")], [])

REPORTS: list[Any] = [APPLY, STATS, LS, STRATEGIES]

KINDS = frozenset({"total", "layer", "param", "step"})

TABLES = frozenset({"total", "layer", "param"})
"""The tables of `apply` if none are chosen."""


HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    '"=1+1"',
    '"',
    "a,b",
    'a"b',
    "two\nlines",
    "tab\there",
    "evil\x1b[2J",
    "turn\u202earound",
    "lone\udc80",
    "权重.第一层",
    " spaced ",
    "x" * 5000,
    "",
    "`code` *a* _b_ [c](d) <b> | \\| & #",
]


class Finding(NamedTuple):
    rule: str
    step: int | None
    value: float | None
    flags: list[bool]


class FindingsFields(NamedTuple):
    findings: list[Finding]
    dumps: int
    labels: TableOnly[dict[str, str]]
    notes: TableOnly[list[Note]]


class FindingsReport(FindingsFields):
    __slots__ = ()
    schema: ClassVar[str] = "gradclip.findings/1"
    scopes: ClassVar[Mapping[str, str]] = {"": "findings"}


FINDINGS: Any = FindingsReport([Finding("dead", 3, -math.inf, []), Finding("spread", None, math.nan, [])], 2, {}, [])


def written(report: Any, view: View) -> str:
    """The text of a report."""
    stream = io.StringIO(newline="")
    render.write(report, stream, view)
    return stream.getvalue()


def rendered(report: Any, format: str, kinds: frozenset[str] = KINDS) -> str:
    """The text of a report."""
    stream = io.StringIO()
    render.write(report, stream, View(format, kinds))
    return stream.getvalue()


def rows(report: Any, **options: Any) -> list[dict[str, Any]]:
    """The rows of a report by ndjson."""
    return [strict(line) for line in written(report, View("ndjson", **options)).splitlines()]


def of_names(*names: str) -> LsReport:
    """A list of tensors of these names."""
    return LsReport([LsTensor(name, name, name, "", (2,), "float32", 8) for name in names], {}, [])


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return True
