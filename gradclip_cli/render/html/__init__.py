"""The page of a run: pictures as plain Vega-Lite data, their tables, and the words around them, in one file.

To add a picture, add a module with a function that makes a `Picture` of a report, or None where the report has nothing for it,
and a line in `PICTURES`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradclip_cli.render.html.picture import Maker


def _norm() -> "Maker":
    from gradclip_cli.render.html.norm import picture

    return picture


def _map() -> "Maker":
    from gradclip_cli.render.html.map import picture

    return picture


def _flow() -> "Maker":
    from gradclip_cli.render.html.flow import picture

    return picture


def _shares() -> "Maker":
    from gradclip_cli.render.html.shares import picture

    return picture


def _nonfinite() -> "Maker":
    from gradclip_cli.render.html.nonfinite import picture

    return picture


def _weights() -> "Maker":
    from gradclip_cli.render.html.weights import picture

    return picture


def _ratio() -> "Maker":
    from gradclip_cli.render.html.ratio import picture

    return picture


def _values() -> "Maker":
    from gradclip_cli.render.html.values import picture

    return picture


PICTURES: Mapping[str, Callable[[], "Maker"]] = {
    "norm": _norm,
    "map": _map,
    "weights": _weights,
    "ratio": _ratio,
    "nonfinite": _nonfinite,
    "flow": _flow,
    "shares": _shares,
    "values": _values,
}
"""The pictures in the order of the page, each with a function that imports its maker; a figure's file is called so."""
