"""A report says what its JSON is, where its rows are, and which fields are for people only."""

import json
import pickle
from typing import Any, NamedTuple

import pytest
from support.report_types import report_kinds

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.reports.apply import ApplyDump, ApplyLayer, ApplyReport
from gradclip_cli.reports.base import Inlined, Section, TableOnly, fields, has_rows, json_fields, rows_at
from gradclip_cli.reports.stats import StatsParam, StatsReport
from unit.render.made import APPLY, REPORTS

KINDS = report_kinds()


class Inner(NamedTuple):
    x: float


class Row(NamedTuple):
    name: str
    inner: Inlined[Inner]
    peak: TableOnly[float | None]
    rows: Section[list[Inner]] = None
    shape: tuple[int, ...] | None = None


def test_a_field_says_what_becomes_of_it() -> None:
    """A field is marked where it is declared, and its type names the rows that it holds."""
    name, inner, peak, rows, shape = fields(Row)
    assert (name.row, name.at, name.table_only, name.section, name.inlined) == (None, 0, False, False, False)
    assert (inner.row, inner.inlined, inner.several) == (Inner, True, False)
    assert (peak.row, peak.table_only) == (None, True)
    assert (rows.row, rows.section, rows.several) == (Inner, True, True)
    assert (shape.row, shape.several) == (None, False)
    assert json_fields(Row) == (name, inner, rows, shape)


def test_no_report_lacks_its_schema() -> None:
    """Schemas are named after the program, one a report."""
    schemas = [kind.schema for kind in KINDS]
    assert schemas == [f"gradclip.{kind.__name__.removesuffix('Report').lower()}/1" for kind in KINDS]
    assert len(set(schemas)) == len(KINDS) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_scopes_lead_to_rows(kind: Any) -> None:
    """Each scope of a report is the path to a field that holds rows."""
    for path in kind.scopes.values():
        assert all(hasattr(row, "_fields") for row in rows_at(kind, path))


def test_a_path_may_lead_through_other_rows() -> None:
    """A path names what holds the rows, too; one that leads nowhere is an error."""
    assert rows_at(ApplyReport, "dumps.layers") == (ApplyDump, ApplyLayer)
    assert rows_at(StatsReport, "params") == (StatsParam,)
    with pytest.raises(KeyError, match="norms"):
        rows_at(StatsReport, "norms")


def test_only_dumps_take_several_lines() -> None:
    """Rows that hold rows are told from those that do not."""
    assert has_rows(ApplyDump)
    assert not has_rows(ApplyLayer)
    assert not has_rows(StatsParam)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_for_people_is_no_part_of_the_json(kind: Any) -> None:
    """Labels and failures are for people."""
    assert not {"labels", "failed"} & {field.name for field in json_fields(kind)}


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_reports_are_pickled(report: Any) -> None:
    """Another process is given the same report, of the same kind."""
    copy = pickle.loads(pickle.dumps(report))
    assert type(copy) is type(report)
    assert json.dumps(copy) == json.dumps(report)  # as text, in which NaN is itself


def test_lazy_rows_are_pickled_within_a_report() -> None:
    """Rows that are made when they are looked at are sent as they are."""
    [dump] = APPLY.dumps
    lazy = APPLY._replace(dumps=[dump._replace(layers=LazyRows(lambda k: dump.layers[k], range(1)))])
    assert type(lazy) is ApplyReport
    assert pickle.loads(pickle.dumps(lazy)).dumps[0].layers == dump.layers
