"""Colours and type of pictures: colours that the colour-blind can tell apart, readable on white and on black."""

from typing import Any

NORM, OVER, RULE, BAD, ZERO = "#2f7fc1", "#d94c4c", "#6b7280", "#cc12a4", "#8b95a5"
"""A norm, what is above a threshold, the threshold of a rule, what is not finite, and what is zero."""

AFTER, EXPLODES, OTHER = "#00a06a", BAD, "#bf5e1d"
"""A norm after clipping, a norm that explodes, and the norm of another run."""

SERIES = ("#2f7fc1", "#bf5e1d", "#00a06a", "#cc12a4", "#a18a00", "#6b7280", "#e0475a", "#6045e6")
"""The colours of lines side by side, in their order."""

INK, GROUND, FAINT = "#1a202c", "#ffffff", "rgba(128,137,150,0.3)"
"""The text and the ground of a figure in a file of its own, and the grid of every picture."""

NUMBERS = {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", ""], "percent": " %"}
"""How pictures write numbers: shares as sentences do."""

GAP = 18
"""The room between two pictures, in pixels."""

_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""The fonts of pictures, whose letters have the same widths; vl-convert brings the first one with it."""

LIGHT = {"range": {"diverging": ["#2166ac", "#f4f4f2", "#b35806"], "heatmap": ["#eef4fa", "#2f7fc1", "#0b3558"]}}
DARK = {"range": {"diverging": ["#64aee8", "#20262f", "#f39a3d"], "heatmap": ["#20262f", "#2f7fc1", "#cfe6fa"]}}
"""The scales of colours on a light and on a dark ground: from small by usual to large, and from none to much."""


def config(ink: str) -> dict[str, Any]:
    """Return the configuration of a Vega-Lite spec but for the scales of colours; `ink` is the colour of text."""
    label = {"labelColor": ink, "titleColor": ink, "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": _FONT,
        "axis": {
            **label,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "gridColor": FAINT,
            "domainColor": FAINT,
            "tickColor": FAINT,
        },
        "title": {
            "anchor": "start",
            "frame": "bounds",
            "fontSize": 13,
            "subtitleFontSize": 11,
            "color": ink,
            "subtitleColor": ink,
        },
        "legend": label,
        "header": label,
        "text": {"color": ink},
        "view": {"stroke": None},
        "concat": {"spacing": GAP},
    }
