"""A table as texts: its columns, rows and total, and how names and figures are written."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gradclip_cli.text import printable


class Column(NamedTuple):
    """A heading. `text` is set to the left and may be folded, figures are set to the right and stay whole.

    A narrow terminal leaves out the columns of the highest `rank` first. `field` names the column of csv that this one shows,
    where the heading does not. A column that may stand `below` holds sentences, which a narrow terminal shows under their
    rows.
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

    `records` are the values of the rows and the total under the names of csv, all of one `scope`; a table without records is
    no list of the report's rows, and is neither sorted nor cut. An `optional` table is left out where it has no rows.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[tuple[str, ...]]
    total: tuple[str, ...] | None = None
    records: Iterable[dict[str, Any]] | None = None
    scope: str = ""
    optional: bool = False


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
