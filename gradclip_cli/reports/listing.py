"""What `ls` and `strategies` list."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from gradclip_cli.reports.base import TableOnly


class LsTensor(NamedTuple):
    """One tensor as the header names it."""

    input: str
    name: str
    layer: str
    param: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


class _LsReport(NamedTuple):
    tensors: list[LsTensor]
    labels: TableOnly[dict[str, str]]
    notes: TableOnly[list[str]]


class LsReport(_LsReport):
    """What `ls` found."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.ls/1"
    scopes: ClassVar[Mapping[str, str]] = {"": "tensors"}


class StrategyRow(NamedTuple):
    """One strategy as users may name it."""

    name: str
    aliases: tuple[str, ...]
    group: str
    rule: str
    threshold: bool
    source: str


class _StrategiesReport(NamedTuple):
    strategies: list[StrategyRow]
    notes: TableOnly[list[str]]


class StrategiesReport(_StrategiesReport):
    """The registry of strategies."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.strategies/1"
    scopes: ClassVar[Mapping[str, str]] = {"": "strategies"}
