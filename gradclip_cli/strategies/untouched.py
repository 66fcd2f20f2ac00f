"""The strategy that changes nothing."""

from gradclip_cli.strategies.actions import KEEP, Action
from gradclip_cli.strategies.base import Group, Strategy


def _decide(norm: float, threshold: float, epsilon: float) -> Action:
    return KEEP


NONE = Strategy("none", ("None",), Group.NONE, "unchanged", "DL4J", _decide)
