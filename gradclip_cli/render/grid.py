"""Grids of text: what tables of any kind show."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gradclip_cli.text import printable

if TYPE_CHECKING:
    from gradclip_cli.report import Report

_MODULES = {
    "ApplyReport": "apply",
    "StatsReport": "stats",
    "CheckReport": "check",
    "DiffReport": "diff",
    "LsReport": "lists",
    "StrategiesReport": "lists",
}


class Column(NamedTuple):
    """A heading. `text` is set to the left and may be folded, figures are not; of the highest `rank` is left out first.

    `field` is the column of csv that is shown, where that is not called by the heading. What may stand `below` its row
    is a sentence, which a terminal gives a line of its own where it does not fit beside the others.
    """

    heading: str
    text: bool = False
    rank: int = 0
    field: str = ""
    below: bool = False

    @property
    def name(self) -> str:
        """What the column is called in csv."""
        return self.field or self.heading.replace("\n", "_")


class Grid(NamedTuple):
    """A titled table; `total` stands under a line.

    `records` are what the rows and the total show, under the names of csv, and are of one `scope` there;
    a table without any is no list of the report's rows, and is neither sorted nor cut.
    One that is `optional` is left out where it has no rows.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[tuple[str, ...]]
    total: tuple[str, ...] | None = None
    records: Iterable[dict[str, Any]] | None = None
    scope: str = ""
    optional: bool = False


def grids(report: "Report", kinds: frozenset[str]) -> list[Grid]:
    """Return the tables of a report that are wanted."""
    module = import_module(f"gradclip_cli.render.grids.{_MODULES[type(report).__name__]}")
    return cast(list[Grid], module.grids(report, kinds))


def named(layer: str, labels: dict[str, str]) -> str:
    """Write the name of a layer, with what its framework calls it."""
    label = labels.get(layer)
    return printable(layer) if label is None or label == layer else printable(f"{layer} ({label})")


def place(path: str | list[str]) -> str:
    """Write where a dump lies: a file, or the first of its shards."""
    return printable(path) if isinstance(path, str) else f"{printable(path[0])} and {len(path) - 1} more"


def figure(value: float | None) -> str:
    """Write a figure with four significant digits.

    >>> figure(1137.9918), figure(1e-9), figure(None)
    ('1138', '1e-09', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def share(value: float | None) -> str:
    """Write a share in per cent."""
    return "-" if value is None else f"{value:.1%}"
