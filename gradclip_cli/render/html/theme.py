"""Colours and type of pictures: colours that the colour-blind can tell apart, readable on white and on black."""

from typing import Any

NORM, OVER, RULE, BAD, ZERO = "#2f7fc1", "#d94c4c", "#6b7280", "#cc12a4", "#8b95a5"
"""A norm, what is above a threshold, the threshold of a rule, what is not finite, and what is zero."""

AFTER, EXPLODES, OTHER = "#00a06a", BAD, "#bf5e1d"
"""A norm after clipping, a norm that explodes, and the norm of another run."""

SERIES = ("#2f7fc1", "#bf5e1d", "#00a06a", "#cc12a4", "#a18a00", "#6b7280", "#e0475a", "#6045e6")
"""The colours of lines side by side, in their order."""


def config(ink: str = "#1a202c", faint: str = "#e2e8f0") -> dict[str, Any]:
    """Return the Vega configuration of a page whose text is `ink` and whose grid is `faint`."""
    return {
        "background": None,
        "font": "system-ui, sans-serif",
        "axis": {
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "gridColor": faint,
            "domainColor": faint,
            "tickColor": faint,
            "labelColor": ink,
            "titleColor": ink,
        },
        "title": {"anchor": "start", "fontSize": 13, "subtitleFontSize": 11, "color": ink, "subtitleColor": ink},
        "legend": {"titleFontWeight": "normal", "labelColor": ink, "titleColor": ink},
        "text": {"color": ink},
        "view": {"stroke": None},
        "concat": {"spacing": 18},
    }
