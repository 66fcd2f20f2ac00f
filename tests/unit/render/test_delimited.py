"""csv and tsv hold the report's own values, and no formula."""

import io
from typing import Any

import pytest
from support.parsing import csv_rows, tsv_rows

from gradclip_cli import render
from gradclip_cli.render.view import View
from unit.render.made import APPLY, FINDINGS, HOSTILE, LS, NAME, STRATEGIES, Finding, of_names, rows, written


def test_csv_of_apply_by_hand() -> None:
    """Columns stand in the documented order; numbers are whole, what was not measured is empty."""
    lines = written(APPLY._replace(dumps=[APPLY.dumps[0]._replace(input=["a,1.npz", "b.npz"])]), View("csv")).split(
        "\n"
    )
    assert lines[0] == (
        "scope,input,step,name,layer,param,shape,dtype,elements,norm_before,norm_after,max_abs_before,max_abs_after,"
        "factor,clipped,clipped_elements,zeros,nonfinite,underflowed,strategy,threshold,overflowed,replaced,"
        "units,clipped_units,min_factor,params,tensors,groups,clipped_groups,mean_factor,finite_norm_before,skipped_groups"
    )
    assert lines[1] == (
        f'param,"a,1.npz;b.npz",7,{NAME},lstm,w,2x3,float32,6,5.0,1.0,inf,0.1,'
        "0.2,true,6,0,0,0,clip-l2-per-layer,1.0,,,,,,,,,,,,"
    )
    assert lines[2] == 'param,"a,1.npz;b.npz",7,ids,ids,,2,int64,2,,,,,,false,0,,,,,,,,,,,,,,,,,'
    assert lines[4:] == ['total,"a,1.npz;b.npz",7,,,,,,6,nan,1.0,-inf,0.1,,,6,,,0,,,0,0,,,,,1,1,1,,,0', ""]


@pytest.mark.parametrize("value", [1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e16, 123456789.123456789])
@pytest.mark.parametrize("read", [csv_rows, tsv_rows])
def test_numbers_read_back_the_same(value: float, read: Any) -> None:
    """Numbers are the shortest text that reads back as the same float64, negative ones without a mark."""
    report: Any = FINDINGS._replace(findings=[Finding("x", -1, value, [])])
    _, [_, step, text, _] = read(written(report, View("csv" if read is csv_rows else "tsv")))
    assert (step, text) == ("-1", repr(value))


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_whole_and_harmless(name: str) -> None:
    """Names are whole, with what does not print escaped, and none is a formula or a quote at the beginning of a cell."""
    report = of_names(name)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    _, comma = csv_rows(written(report, View("csv")))
    _, tab = tsv_rows(written(report, View("tsv")))
    assert comma[1] == (f"'{shown}" if shown.startswith(tuple("=+-@＝")) else shown)
    assert tab[1] == (f"'{shown}" if shown.startswith(tuple('=+-@＝"')) else shown)
    assert written(report, View("csv")).count("\n") == 2
    assert rows(report)[0]["name"] == name
    assert written(report, View("ndjson")).isascii()


@pytest.mark.parametrize("name", ["=1+1", '"=1+1"'])
def test_tsv_is_harmless_to_those_who_read_quotes(name: str) -> None:
    """A program that takes quotes in tsv for quoting finds no formula either."""
    import csv

    cells = next(csv.reader(io.StringIO(written(of_names(name), View("tsv", headers=False))), "excel-tab"))
    assert cells[1] == f"'{name}"


@pytest.mark.parametrize("format", ["csv", "tsv"])
def test_headings_can_be_left_out(format: str) -> None:
    """Without headings everything else is the same."""
    head, _, rest = written(STRATEGIES, View(format)).partition("\n")
    assert head.startswith("name")
    assert written(STRATEGIES, View(format, headers=False)) == rest


def test_rows_are_written_one_after_the_other() -> None:
    """The first rows are written before the last ones are made."""

    class Counted(io.StringIO):
        lines = 0

        def write(self, text: str) -> int:
            self.lines += 1
            return super().write(text)

    stream = Counted()
    render.write(of_names(*"abc"), stream, View("csv"))
    assert stream.lines >= 4


def test_ls_is_as_it_is() -> None:
    """A scalar's shape is not empty, which a shape that is not known is."""
    assert written(LS, View("csv")).splitlines()[1] == f"a.npz,{NAME},lstm,w,scalar,bfloat16,2"
