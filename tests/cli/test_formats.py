"""Every command in every output format: the same values, whoever reads them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.command import GRADCLIP, Run, Save
from support.parsing import csv_rows, markdown_shown, markdown_source, strict, tsv_rows

from gradclip_cli.cli import COMMANDS
from gradclip_cli.render import FORMATS

ARGV = {
    "apply": "apply step1.npz step2.npz --dry-run -s clip-by-norm -t 1",
    "stats": "stats step1.npz step2.npz",
    "check": "check step1.npz step2.npz",
    "diff": "diff step1.npz step2.npz",
    "ls": "ls step1.npz step2.npz",
    "strategies": "strategies",
}
KNOWN = [pytest.param(argv, id=name) for name, argv in ARGV.items() if name in COMMANDS]
FLAT = ("csv", "tsv", "ndjson")
TABLES = {
    "stats": ("--by", "all"),
    "diff": ("--by", "param"),
    "ls": ("--by", "param"),
    "apply": ("--by", "layer", "--by", "param"),
    "check": ("--by", "finding"),
}
"""The options that show in a pipe the tables of Markdown."""

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def series(save: Save) -> None:
    """Two dumps that differ, with names that are no words and a gradient that is dead."""
    names = {"lstm.w_10": [0.1], "第一层.权重": [1e-3], "dead.w": [0.0]}
    for k in (1, 2):
        save(f"step{k}.npz", **{"lstm.w_2": [3.0 * k, 4.0], "=1+1|`x`": [k], **names})


def expected(command: str, tree: Row) -> list[Row]:
    """The rows of a report by its JSON, without what a scope has not."""
    if command == "apply":
        lists = {"param": "params", "layer": "layers"}
        head = [(dump, {"input": dump["input"], "step": dump["step"]}) for dump in tree["dumps"]]
        rows = [{"scope": s, **h, **row} for s, name in lists.items() for dump, h in head for row in dump[name]]
        return rows + [{"scope": "total", **h, **dump["total"]} for dump, h in head]
    if command == "stats":
        lists = {"param": "params", "layer": "layers", "step": "dumps"}
        rows = [{"scope": scope, **row} for scope, name in lists.items() for row in tree[name]]
        return [*rows, {"scope": "total", **tree["total"]}]
    rows, *_ = [value for key, value in tree.items() if isinstance(value, list)]
    return rows


def as_text(value: Any) -> str:
    """A value of JSON as it stands in csv."""
    if isinstance(value, list):
        if value and isinstance(value[0], list):  # ranges of steps
            return ";".join("-".join(map(str, dict.fromkeys(ends))) for ends in value)
        return (";" if any(isinstance(item, str) for item in value) else "x").join(map(str, value))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) and value != "-inf" else value
    return "" if value is None else json.dumps(value)


@pytest.mark.parametrize("argv", KNOWN)
def test_one_table_with_the_values_of_json(argv: str, run: Run) -> None:
    """ndjson, csv and tsv hold the rows of the JSON in its order, with nothing where a scope has no such column."""
    rows = expected(argv.split(maxsplit=1)[0], strict(run(*argv.split(), "-f", "json").out))
    lines = [strict(line) for line in run(*argv.split(), "-f", "ndjson").out.splitlines()]
    assert [
        {name: value for name, value in line.items() if name in row} for line, row in zip(lines, rows, strict=True)
    ] == rows
    assert all(
        value is None for line, row in zip(lines, rows, strict=True) for name, value in line.items() if name not in row
    )
    cells = [[as_text(value) for value in line.values()] for line in lines]
    assert csv_rows(run(*argv.split(), "-f", "csv").out)[1:] == cells
    assert tsv_rows(run(*argv.split(), "-f", "tsv").out)[1:] == cells


@pytest.mark.parametrize("argv", KNOWN)
def test_markdown_holds_the_tables(argv: str, run: Run) -> None:
    """Each table of the terminal stands in the Markdown, under its title, and shows what it says."""
    text = run(*argv.split(), "-f", "md").out
    tables = markdown_source(text)
    assert markdown_shown(text) == [table.rows for table in tables]
    command = argv.partition(" ")[0]
    plain = run(*argv.split(), *TABLES.get(command, ())).out
    assert all(table.title in plain for table in tables)
    assert all(cell in plain for table in tables for row in table.rows for cell in row)


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "json"])
@pytest.mark.parametrize("argv", KNOWN)
def test_columns_and_rows_are_chosen(argv: str, format: str, run: Run) -> None:
    """Every command shows the columns and the rows that are chosen, in every format that has tables."""
    text = next(name for name in ("layer", "name", "rule") if name in csv_rows(run(*argv.split(), "-f", "csv").out)[0])
    result = run(*argv.split(), "-f", format, "--columns", text, "--sort", f"{text}:desc", "--top", "1")
    assert result.code in (0, 1)
    assert result.err == ("" if not argv.startswith("check") else UNJUDGED)
    if format == "md":
        tables = [table.rows for table in markdown_source(result.out)]
        assert tables
        assert all(len(head) == 1 and len(rows) <= 2 for head, *rows in tables)
    elif format == "table":
        assert result.out.strip()
        assert all(len(table.split("\n")) <= 6 for table in result.out.strip().split("\n\n"))
    else:
        [head, *rows] = {"csv": csv_rows, "tsv": tsv_rows, "ndjson": keys_first}[format](result.out)
        assert head == [text]
        assert len(rows) == (2 if argv.startswith(("apply", "stats")) else 1)  # one of each scope


UNJUDGED = "note: 2 dumps: explosions not judged, which takes 5 (--exploding-dumps)\n"


def keys_first(text: str) -> list[list[str]]:
    """Read ndjson like csv."""
    lines = [strict(line) for line in text.splitlines()]
    return [list(lines[0]), *(list(line.values()) for line in lines)]


def test_the_largest_tensors(run: Run) -> None:
    """The largest norms of a series are found with one call; names are told by number."""
    argv = [
        "apply",
        "step1.npz",
        "step2.npz",
        "--dry-run",
        "-s",
        "clip-by-norm",
        "-t",
        "1",
        "-f",
        "csv",
        "--no-headers",
    ]
    found = run(*argv, "--columns", "step,name", "--sort", "max_abs_before:desc", "--top", "2").out
    assert found == "2,lstm.w_2\n1,lstm.w_2\n"
    names = run("ls", "step1.npz", "-f", "tsv", "--columns", "name", "--sort", "name", "--no-headers").out
    assert names == "'=1+1|`x`\ndead.w\nlstm.w_2\nlstm.w_10\n第一层.权重\n"


@pytest.mark.parametrize("by", ["total", "layer", "param", "step"])
@pytest.mark.parametrize("format", FLAT)
def test_by_chooses_the_scopes(by: str, format: str, run: Run) -> None:
    """--by says which scopes stand in the one table of `stats`."""
    out = run("stats", "step1.npz", "step2.npz", "--by", by, "-f", format, "--columns", "scope").out
    rows = {
        "ndjson": lambda: [strict(line)["scope"] for line in out.splitlines()],
        "csv": lambda: [row[0] for row in csv_rows(out)[1:]],
        "tsv": lambda: [row[0] for row in tsv_rows(out)[1:]],
    }[format]()
    assert set(rows) == {by}


def test_shards_are_one_input(save: Save, run: Run) -> None:
    """A dump in shards is one input: all its paths, behind each other in csv, a list in ndjson."""
    save("rank0.npz", w=[3.0])
    save("rank1.npz", w=[4.0])
    argv = ["stats", "rank0.npz", "rank1.npz", "--shards", "--by", "step", "--columns", "input,norm"]
    assert csv_rows(run(*argv, "-f", "csv").out)[1:] == [["rank0.npz;rank1.npz", "5.0"]]
    assert strict(run(*argv, "-f", "ndjson").out) == {"input": ["rank0.npz", "rank1.npz"], "norm": 5.0}
    assert run(*argv).out.count("rank0.npz") == 1


WRONG = {
    "ls step1.npz --columns nmae -f csv": "did you mean name",
    "ls step1.npz --columns name,": "no column ''",
    "ls step1.npz --columns name,name": "twice",
    "ls step1.npz --sort norm": "columns are input, name",
    "ls step1.npz --sort name:down": "COLUMN:desc",
    "ls step1.npz --top 0": "--top",
    "ls step1.npz --top few": "--top",
    "ls step1.npz --no-headers": "--no-headers is for csv and tsv",
    "ls step1.npz --no-headers -f md": "--no-headers is for csv and tsv",
    "ls step1.npz --no-headers -f ndjson": "--no-headers is for csv and tsv",
    "ls step1.npz --columns name -f json": "--columns is for formats that have tables",
    "ls step1.npz --sort name -f json": "--sort is for formats that have tables",
    "ls step1.npz --top 1 -f json": "--top is for formats that have tables",
    "strategies --columns rules": "did you mean rule",
    "strategies --top 1 -f json": "--top",
    "stats step1.npz --by step --columns mean": "columns are scope, input, step, norm, max_abs, nonfinite",
    "stats step1.npz --columns name,norm": "no table has all of the columns name, norm; csv, tsv and ndjson do",
    "stats step1.npz -s clip-by-norm --print-threshold --top 1": "--print-threshold",
    "apply step1.npz --in-place -s none --columns nmae": "did you mean name",
    "apply step1.npz --in-place -s none -f md --columns tensors": "no table",
    "apply nosuch.npz --dry-run -s none --sort factr": "did you mean factor",
}


@pytest.mark.parametrize(("argv", "message"), WRONG.items())
def test_wrong_usage(argv: str, message: str, run: Run) -> None:
    """What cannot be shown is refused before anything is read or written, with exit code 2."""
    before = Path("step1.npz").read_bytes()
    result = run(*argv.split())
    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[-1]
    assert len(result.err.splitlines()[-1].encode()) <= 1500
    assert Path("step1.npz").read_bytes() == before


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_names_of_files(format: str, run: Run) -> None:
    """No format sends a control character of a name to a terminal, or breaks off a name of 5,000 characters."""
    long = "x" * 5000
    with h5py.File("h.h5", "w") as file:
        for name in ("evil\x1b[2J", "two\nlines", "turn\u202e", "bell\x07\r", long):
            file[name] = np.ones(2)
    for command in ("ls", "stats"):
        result = run(command, "h.h5", "-f", format)
        assert result.code == 0
        assert not set("\x1b\x07\r\u202e…") & set(result.out)
        assert long in result.out
        assert "two\nlines" not in result.out


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("columns", ["1", "80"])
def test_the_width_does_not_matter_in_a_pipe(
    format: str, columns: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes into a pipe does not depend on the terminal, and has no colour."""
    wide = run("stats", "step1.npz", "-f", format).out
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("stats", "step1.npz", "-f", format).out == wide
    assert "\x1b" not in wide


@pytest.mark.parametrize("format", FLAT)
def test_a_report_without_rows(format: str, save: Save, run: Run) -> None:
    """Headings stand even where nothing stands below them."""
    save("none.npz")
    out = run("ls", "none.npz", "-f", format).out
    assert out == {"csv": "input,name,layer,param,shape,dtype,bytes\n", "ndjson": ""}.get(format, out)
    assert out.count("\n") == (format != "ndjson")


@pytest.mark.parametrize("format", FLAT)
def test_a_closed_pipe_ends_quietly(format: str) -> None:
    """A reader that has seen enough is no error."""
    with subprocess.Popen(
        [*GRADCLIP, "stats", "step1.npz", "-f", format], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (0, b"")


def test_formats_are_imported_when_they_are_asked_for() -> None:
    """Whoever wants csv pays for no tables, and help pays for no format."""
    program = (
        "import sys; sys.argv = ['gradclip', *sys.argv[1:]]\n"
        "from gradclip_cli.__main__ import run\n"
        "run()\n"
        "print(sorted(m for m in sys.modules if m.startswith(('gradclip_cli.render.', 'rich'))), file=sys.stderr)"
    )

    def modules(*argv: str) -> str:
        done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, check=True)
        return done.stderr

    loaded = modules("ls", "step1.npz", "-f", "csv")
    assert "render.delimited" in loaded
    assert not [
        name
        for name in ("'rich", "render.tables", "render.charts", "render.markdown", "render.json_report")
        if name in loaded
    ]
    assert "gradclip_cli.render." not in modules("--help")


def test_more_rows_than_any_machine_holds(series: None, run: Run) -> None:
    """A number of rows beyond all numbers of a machine shows them all."""
    assert run("ls", "step1.npz", "--top", "9" * 20) == run("ls", "step1.npz", "--top", "9")


def test_ls_by_block(save: Save, run: Run) -> None:
    """`ls --by block` has a row for each block of each dump, in every format; by param it stays as it is."""
    for step in (1, 2):
        save(f"s_{step}.npz", **{"h.0.a.w": np.ones((2, 3), np.float32), "h.0.b.w": np.ones(2), "head": np.ones(step)})
    out = run("ls", "s_1.npz", "--by", "block").out.splitlines()
    assert [line.split() for line in (out[0], out[1], *out[3:5])] == [
        ["blocks"],
        ["block", "tensors", "values", "bytes", "dtypes"],
        ["h.0", "2", "8", "40", "float32,", "float64"],
        ["head", "1", "1", "8", "float64"],
    ]
    csv = run("ls", "s_1.npz", "s_2.npz", "-f", "csv", "--by", "block").out.splitlines()
    assert csv == [
        "scope,input,step,block,tensors,values,bytes,dtypes",
        *("block,s_1.npz,1,h.0,2,8,40,float32;float64", "block,s_1.npz,1,head,1,1,8,float64"),
        *("block,s_2.npz,2,h.0,2,8,40,float32;float64", "block,s_2.npz,2,head,1,2,16,float64"),
    ]
    assert run("ls", "s_1.npz", "-f", "csv").out.startswith("input,name,layer,param,shape,dtype,bytes\n")
    assert "by_block" not in run("ls", "s_1.npz", "-f", "json").out
