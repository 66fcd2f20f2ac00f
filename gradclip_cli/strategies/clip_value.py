"""Clipping element by element."""

from gradclip_cli.strategies.actions import Action, Clamp
from gradclip_cli.strategies.base import Group, Strategy


def _decide(norm: float, threshold: float, epsilon: float) -> Action:
    return Clamp(threshold)


ELEMENTWISE = Strategy(
    "clip-elementwise-absolute-value",
    ("ClipElementWiseAbsoluteValue", "clip-by-value"),
    Group.ELEMENT,
    "min(max(g, -c), c)",
    "DL4J; Mikolov 2012; TensorFlow clip_by_value; Keras clipvalue",
    _decide,
    takes_threshold=True,
)
