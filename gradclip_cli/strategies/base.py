"""What a strategy is: the rule from the norm of a group to what is done to its tensors."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from gradclip_cli.strategies.actions import Action


class Group(Enum):
    """Which tensors share one norm."""

    NONE = "-"
    DUMP = "dump"
    LAYER = "layer"
    TENSOR = "tensor"
    ELEMENT = "element"


Decide = Callable[[float, float, float], Action]
"""norm of the group, threshold (inf where the strategy takes none), epsilon → action"""


class Strategy(NamedTuple):
    """A rule that turns gradients into gradients; `rule` and `source` are what `gradclip strategies` shows."""

    name: str
    aliases: tuple[str, ...]
    group: Group
    rule: str
    source: str
    decide: Decide
    takes_threshold: bool = False
    takes_norm: bool = False  # --norm-type and --epsilon
