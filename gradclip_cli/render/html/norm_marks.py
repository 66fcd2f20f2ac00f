"""The kinds of marks that the norm of the whole is drawn with: each has a colour and a shape, and a place in the legend."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gradclip_cli.render.html.theme import AFTER, BAD, EXPLODES, NORM, OTHER, OVER, RULE, ZERO

_RING = "M0,-1A1,1,0,1,1,0,1A1,1,0,1,1,0,-1ZM0,-.65A.65,.65,0,1,0,0,.65A.65,.65,0,1,0,0,-.65Z"
_CROSS = "M-1,-.65L-.65,-1L0,-.35L.65,-1L1,-.65L.35,0L1,.65L.65,1L0,.35L-.65,1L-1,.65L-.35,0Z"
_BAR = "M-1,-.16H1V.16H-1Z"
_DASHES = "M-1,-.16H-.25V.16H-1ZM.25,-.16H1V.16H.25Z"
_DOTS = "M-1,-.2H-.6V.2H-1ZM-.2,-.2H.2V.2H-.2ZM.6,-.2H1V.2H.6Z"


class Kind(NamedTuple):
    """A kind of mark: what the legend calls it, its colour, and its shape."""

    label: str
    color: str
    shape: str


IS_NORM = Kind("norm", NORM, "circle")
IS_OVER = Kind("above the threshold", OVER, "triangle-up")
IS_LIMIT = Kind("threshold", OVER, _BAR)
IS_AFTER = Kind("after clipping", AFTER, _DASHES)
EXPLODING = Kind("explodes", EXPLODES, _RING)
NOT_FINITE = Kind("not finite", BAD, _CROSS)
IS_ZERO = Kind("zero", ZERO, "diamond")


def of_rule(rule: str) -> Kind:
    """Return the line of a rule that has a threshold for each step."""
    return Kind(f"{rule}, step by step", RULE, _DASHES)


def of_other(label: str) -> Kind:
    """Return the line of another run."""
    return Kind(label, OTHER, _DOTS)


def encoded(kinds: Sequence[Kind]) -> dict[str, Any]:
    """Return the encoding of the field `kind` by colour and shape, with one legend for both."""
    labels = [kind.label for kind in kinds]
    legend = {"title": None, "orient": "bottom", "columns": 4, "symbolSize": 70, "symbolOpacity": 1, "labelLimit": 150}
    channels = {"color": [kind.color for kind in kinds], "shape": [kind.shape for kind in kinds]}
    return {
        name: {"field": "kind", "type": "nominal", "scale": {"domain": labels, "range": values}, "legend": legend}
        for name, values in channels.items()
    }
