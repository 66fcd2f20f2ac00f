"""Write the elements of a page: tables, sections and what folds; every text is escaped here."""

import html
import re
from collections.abc import Iterable, Sequence

from gradclip_cli.render.html.picture import NumberTable
from gradclip_cli.render.tables.grid import Grid
from gradclip_cli.text import printable

_MOST_OPEN = 12
"""The most rows of a table that stands open; a longer one is folded."""

_SENTENCE = 30
"""The characters of a cell from which on it is a sentence."""

_FIGURE = re.compile(r"[-+<>~]?[\d,.]+(e[-+]?\d+)?( ?[%x×]| [kMGT]?B)?|-|–|nan|-?inf", re.IGNORECASE)

_PERCENT = re.compile(r"(?<=\d)%$")
"""A share as tables write it, which a page writes as its sentences do."""


def text(value: str) -> str:
    """Return a text as HTML: what does not print is spelled out, and nothing in it is markup."""
    return html.escape(printable(value))


def section(name: str, title: str, *parts: str) -> str:
    """Return a section with a heading, or nothing where it has no parts."""
    body = "\n".join(filter(None, parts))
    heading = f'<h2 id="{name}-title">{text(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{heading}\n{body}</section>\n' if body else ""


def folded(title: str, body: str) -> str:
    """Return something that opens when its title is chosen."""
    return f"<details><summary>{text(title)}</summary>\n{body}</details>"


def table(one: NumberTable) -> str:
    """Return a table, its first cells as the heads of rows; it scrolls in a box of its own, and is folded where it is long."""
    kinds = [_kind([row[k] for row in one.rows]) for k in range(len(one.heads))]
    heads = "".join(f"<th scope=col{kind}>{text(head)}</th>" for head, kind in zip(one.heads, kinds, strict=True))
    rows = "\n".join(f"<tr>{''.join(_cells(row, kinds))}</tr>" for row in one.rows)
    body = f"<thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody>"
    caption = text(one.caption)
    found = f'<div class=box tabindex=0 role=region aria-label="{caption}"><table><caption>{caption}</caption>{body}</table></div>'
    return found if len(one.rows) <= _MOST_OPEN else folded(f"{one.caption} ({len(one.rows):,} rows)", found)


def _cells(row: Sequence[str], kinds: Sequence[str]) -> Iterable[str]:
    for k, (cell, kind) in enumerate(zip(row, kinds, strict=True)):
        yield f"<td{kind}>{text(cell)}</td>" if k else f"<th scope=row{kind}>{text(cell)}</th>"


def _kind(cells: Sequence[str]) -> str:
    """Return the class of a column: figures stand on the right, and sentences have room for some words in a line."""
    if all(map(_FIGURE.fullmatch, cells)):
        return " class=n"
    return " class=w" if max(map(len, cells)) > _SENTENCE else ""


def of_grid(grid: Grid) -> NumberTable:
    """Return a table of a screen as one of a page, the total as its last row."""
    heads = [column.heading.replace("\n", " ") for column in grid.columns]
    rows = [*grid.rows, *([grid.total] if grid.total is not None else [])]
    return NumberTable(grid.title, heads, [[_PERCENT.sub(" %", cell) for cell in row] for row in rows])


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return facts: what each is called, and what it is."""
    facts = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in rows if value)
    return f"<dl>{facts}</dl>"


def items(lines: Iterable[str]) -> str:
    """Return a list of sentences, or nothing where there are none."""
    found = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul>{found}</ul>" if found else ""
