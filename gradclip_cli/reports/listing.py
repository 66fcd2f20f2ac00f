"""The reports of `ls` and `strategies`."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from gradclip_cli.notes import Note
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.notebook import InNotebooks


class LsTensor(NamedTuple):
    """One tensor, as the header describes it; `bytes` is its size in the file."""

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
    notes: list[Note]


class LsReport(_LsReport, InNotebooks):
    """The report of `ls`."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.ls/1"
    kinds: ClassVar[tuple[str, ...]] = ("param",)
    scopes: ClassVar[Mapping[str, str]] = {"": "tensors"}


class StrategyRow(NamedTuple):
    """One strategy, with the names that users can give."""

    name: str
    aliases: tuple[str, ...]
    group: str
    rule: str
    threshold: bool
    source: str


class _StrategiesReport(NamedTuple):
    strategies: list[StrategyRow]
    notes: TableOnly[list[Note]]


class StrategiesReport(_StrategiesReport, InNotebooks):
    """The report of `strategies`: the registry."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.strategies/1"
    kinds: ClassVar[tuple[str, ...]] = ()
    scopes: ClassVar[Mapping[str, str]] = {"": "strategies"}
