"""Describe a table as texts: columns, rows and a total; format names and figures."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gradclip_cli.text import printable


class Column(NamedTuple):
    """A column: `text` is aligned left and may be folded, figures are aligned right and stay whole.

    A narrow terminal leaves out the columns of the highest `rank` first. `field` is the column of csv that this one shows,
    if the heading is not its name. A column with `below` set holds sentences, which a narrow terminal shows under their rows.
    """

    heading: str
    text: bool = False
    rank: int = 0
    field: str = ""
    below: bool = False

    @property
    def name(self) -> str:
        """The name of the column in csv."""
        return self.field or self.heading.replace("\n", "_")


class Grid(NamedTuple):
    """A table with a title; `total` is the last row, under a rule.

    `records` are the values of the rows and the total by the columns of csv, all of one `scope`. A table without records does
    not list rows of the report, and is neither sorted nor, unless it `grows` with the run, cut. An `optional` table is left out
    if it has no rows.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[tuple[str, ...]]
    total: tuple[str, ...] | None = None
    records: Iterable[dict[str, Any]] | None = None
    scope: str = ""
    optional: bool = False
    grows: bool = False


def layer_name(layer: str, labels: dict[str, str]) -> str:
    """Format the name of a layer, with its label if its framework gives it another name."""
    label = labels.get(layer)
    return printable(layer) if label is None or label == layer else printable(f"{layer} ({label})")


def norm_name(p: float) -> str:
    """Name the P-norm; the 2-norm is the norm.

    >>> norm_name(2.0), norm_name(1.0)
    ('norm', 'L1 norm')
    """
    return "norm" if p == 2 else f"L{p:g} norm"


def location(path: str | list[str]) -> str:
    """Format the location of a dump: its file, or the first of its shards."""
    return printable(path) if isinstance(path, str) else f"{printable(path[0])} and {len(path) - 1} more"


def file_name(path: str | list[str]) -> str:
    """Format the location of a dump without its folders."""
    return location(os.path.basename(path) if isinstance(path, str) else [os.path.basename(path[0]), *path[1:]])


def dump_name(step: int | None, name: str | None, path: str | list[str], word: str = "step ") -> str:
    """Format what a dump is called: the name that stands for a running number, or else its step, or else its file.

    >>> dump_name(7, None, "run/a.npz"), dump_name(7, "epoch-2", "run/a.npz"), dump_name(None, None, "run/a.npz")
    ('step 7', 'epoch-2', 'a.npz')
    """
    if name is not None:
        return printable(name)
    return file_name(path) if step is None else f"{word}{step}"


def figure(value: float | None) -> str:
    """Format a figure with four significant digits.

    >>> figure(1137.9918), figure(1e-9), figure(None)
    ('1138', '1e-09', '-')
    """
    return "-" if value is None else f"{value:.4g}"


_ROUNDING = 1e-14
"""What is nearer to 1 is shown as 1: it is what rounding leaves."""


def near_one(value: float | None) -> str:
    """Format a figure with enough digits to tell it from 1, in a few cells.

    >>> near_one(0.5), near_one(0.9999987), near_one(1 - 2e-16), near_one(1 - 1e-12)
    ('0.5', '0.9999987', '1', '1-1e-12')
    """
    if value is None or abs(abs(value) - 1) >= 1e-3:
        return figure(value)
    away = 1 - abs(value)
    if abs(away) < _ROUNDING:
        return figure(round(value))
    sign = "-" if value < 0 else ""
    if abs(away) < 1e-8:
        return f"{sign}1{'-' if away > 0 else '+'}{abs(away):.0e}".replace("e-0", "e-")
    return f"{value:.8g}"


def factor_text(value: float | None, digits: int = 4) -> str:
    """Format a factor with so many digits, or with as many more as show that it is not 1.

    >>> factor_text(0.106951), factor_text(0.999996), factor_text(1.0), factor_text(0.9403, 3)
    ('0.107', '0.999996', '1', '0.94')
    """
    if value is None:
        return "-"
    texts = [f"{value:.{more}g}" for more in range(digits, 18)]
    return next((text for text in texts if float(text) != 1), "1")


def step_number(step: int | None) -> str:
    """Format the number of a step; a dash where it has none."""
    return "-" if step is None else str(step)


def share(value: float | None) -> str:
    """Format a share as a percentage."""
    return "-" if value is None else f"{value:.1%}"
