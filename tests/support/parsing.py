"""Independent readers of the formats that reports are written in."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from markdown_it import MarkdownIt

from gradclip_cli.render import write
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report


class Table(NamedTuple):
    """A table as it is shown: its title, and the text of its cells."""

    title: str
    alignments: list[str]
    rows: list[list[str]]


def strict(text: str) -> Any:
    """Parse JSON, and nothing that only Python takes for JSON."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def told(report: Report, folder: Path) -> Any:
    """Return a report as JSON without what differs by nature: the folder of its files, and notes."""
    stream = io.StringIO()
    write(report, stream, View("json"))
    found = strict(stream.getvalue().replace(str(folder), ""))
    found.pop("notes", None)
    return found


def csv_rows(text: str) -> list[list[str]]:
    """Read csv."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def tsv_rows(text: str) -> list[list[str]]:
    """Cut lines at tabs, as `cut` and `awk` do."""
    assert text.endswith("\n")
    return [line.split("\t") for line in text[:-1].split("\n")]


def markdown_source(text: str) -> list[Table]:
    """Read headings and tables by their source, and accept no other line."""
    found = []
    for block in text.rstrip("\n").split("\n\n## "):
        heading, empty, *lines = block.removeprefix("## ").split("\n")
        assert empty == ""
        head, marks, *rows = [_cut(line) for line in lines]
        assert all(re.fullmatch(":---|---:", mark) for mark in marks)
        assert {len(head), *map(len, rows)} == {len(marks)}
        found.append(Table(_unescaped(heading), marks, [[_unescaped(cell) for cell in row] for row in (head, *rows)]))
    return found


def _cut(line: str) -> list[str]:
    assert line.startswith("| ")
    assert line.endswith(" |")
    return re.split(r"(?<!\\)(?:\\\\)* \| ", line[2:-2])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).replace("&#32;", " ")


def markdown_shown(text: str) -> list[list[list[str]]]:
    """Return the cells of each table as a Markdown library shows them; whatever is not plain text fails."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline":
            parts = token.children or []
            assert {part.type for part in parts} <= {"text", "text_special"}, parts
            if tables and token.level > 1:
                tables[-1][-1].append("".join(part.content for part in parts))
        else:
            assert re.fullmatch("(table|thead|tbody|tr|th|td|heading)_(open|close)", token.type), token.type
    return tables
