"""Reports as one rectangular table: records under the names that JSON has, scope by scope, totals last."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from gradclip_cli.render.json import names, plain
from gradclip_cli.report import (
    ApplyDump,
    ApplyLayer,
    ApplyParam,
    ApplyReport,
    ApplyTotal,
    StatsDump,
    StatsLayer,
    StatsParam,
    StatsReport,
)
from gradclip_cli.thresholds.summary import Summary

if TYPE_CHECKING:
    from gradclip_cli.report import Report

Record = dict[str, Any]
"""The values of one row by the names of their columns."""

KINDS = ("total", "layer", "param", "step")
COMMON = ("scope", "input", "step")
"""The first columns of reports whose rows are of several scopes."""

_SCOPES: dict[type, dict[str, type]] = {
    ApplyReport: {"param": ApplyParam, "layer": ApplyLayer, "total": ApplyTotal},
    StatsReport: {"param": StatsParam, "layer": StatsLayer, "step": StatsDump, "total": Summary},
}
_SHARED = {ApplyReport: COMMON, StatsReport: COMMON[:1]}
_LISTS = {"param": "params", "layer": "layers", "step": "dumps"}


def scopes(kind: type, kinds: frozenset[str] = frozenset(KINDS)) -> dict[str, tuple[str, ...]]:
    """Return the columns of each wanted scope of a kind of report; one that is a single list has a scope without a name."""
    if kind not in _SCOPES:
        return {"": names(_listed(kind)[1])}
    return {
        scope: tuple(dict.fromkeys((*_SHARED[kind], *names(row))))
        for scope, row in _SCOPES[kind].items()
        if scope in kinds
    }


def columns(kind: type, kinds: frozenset[str] = frozenset(KINDS)) -> tuple[str, ...]:
    """Return the columns of all wanted scopes, each once."""
    first = COMMON if kind in _SCOPES else ()
    return tuple(dict.fromkeys(chain(first, *scopes(kind, kinds).values())))


def records(report: "Report", scope: str = "") -> Iterator[Record]:
    """Yield the rows of one scope of a report."""
    if isinstance(report, ApplyReport):
        return (row for dump in report.dumps for row in of_dump(dump, scope))
    if isinstance(report, StatsReport):
        rows = [report.total] if scope == "total" else getattr(report, _LISTS[scope])
        return ({"scope": scope, **_record(row)} for row in rows)
    return map(_record, getattr(report, _listed(type(report))[0]))


def of_dump(dump: ApplyDump, scope: str) -> Iterator[Record]:
    """Yield the rows of one scope of a dump."""
    common = {"scope": scope, "input": dump.input, "step": dump.step}
    rows = [dump.total] if scope == "total" else getattr(dump, _LISTS[scope])
    return ({**common, **_record(row)} for row in rows)


def _listed(kind: type) -> tuple[str, Any]:
    """Find the one list of rows of a kind of report: its name, and what a row is."""
    lists = {name: get_args(hint)[0] for name, hint in get_type_hints(kind).items() if get_origin(hint) is list}
    [found] = [(name, row) for name, row in lists.items() if hasattr(row, "_fields")]
    return found


def _record(row: Any) -> Record:
    """Return a row's values; a figure of no samples is None, as in JSON."""
    tree: Record = plain(row) if isinstance(row, Summary) else row._asdict()
    if summary := tree.pop("summary", None):
        tree.update(plain(summary))
    return tree
