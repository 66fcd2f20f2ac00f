"""A picture of a report: a Vega-Lite view as plain data, and the words and numbers that say the same without it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gradclip_cli.reports.run import RunReport

View = dict[str, Any]
"""A Vega-Lite view: a unit, layers, or a concatenation, without the keys that stand only at the top of a spec."""

THRESHOLD, ZOOM, PICKED = "threshold", "zoom", "picked"
"""The parameters that pictures share on a page: log10 of the slider's threshold, the steps of the brush, the row of the map."""


class NumberTable(NamedTuple):
    """A table with the numbers of a picture, as texts; `caption` says what they are."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
    """One picture; `says` is one sentence with its main figures, for those who do not see it.

    `linked` are its views on a page, from left to right, where they may use the parameters of other pictures: `THRESHOLD` is a
    variable of the page, `ZOOM` a selection in the picture `norm`, `PICKED` one in `map`. `alone` is the view in a file of
    its own, which has to do without. `params` are variables of the page that the picture brings, with their controls.
    """

    title: str
    says: str
    linked: Sequence[View]
    alone: View
    tables: Sequence[NumberTable] = ()
    params: Sequence[Mapping[str, Any]] = ()


Maker = Callable[[RunReport], Picture | None]
"""Makes a picture of a report, or None where the report has nothing for it."""
