"""What `ls` and `strategies` list."""

from typing import NamedTuple


class LsTensor(NamedTuple):
    """One tensor as the header names it."""

    input: str
    name: str
    layer: str
    param: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


class LsReport(NamedTuple):
    """What `ls` found."""

    tensors: list[LsTensor]
    labels: dict[str, str]
    notes: list[str]


class StrategyRow(NamedTuple):
    """One strategy as users may name it."""

    name: str
    aliases: tuple[str, ...]
    group: str
    rule: str
    threshold: bool
    source: str


class StrategiesReport(NamedTuple):
    """The registry of strategies."""

    strategies: list[StrategyRow]
    notes: list[str]
