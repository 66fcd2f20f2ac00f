"""The reports of `ls`, `cache` and `strategies`."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from gradclip_cli.notes import Note
from gradclip_cli.reports.base import Section, TableOnly
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


class LsDump(NamedTuple):
    """One dump: how many tensors and elements it has, in how many `files`, as headers describe them.

    `layout` is `file`, `shards`, or `parameters` for a folder with a tensor in each file. A file of several `steps` is one dump.
    """

    input: str | list[str]
    step: int | None
    steps: int
    format: str
    layout: str
    files: int
    tensors: int
    values: int
    bytes: int
    dtypes: list[str]


class LsBlock(NamedTuple):
    """The tensors of one dump that are in a block: the layers whose names are alike up to their first number."""

    input: str | list[str]
    step: int | None
    block: str
    tensors: int
    values: int
    bytes: int
    dtypes: list[str]


class OtherTensors(NamedTuple):
    """How dumps differ in their tensors: those that only some have, of other shapes or dtypes, with examples."""

    tensors: int  # in any dump
    some: list[str]
    shapes: list[str]
    dtypes: list[str]


class _LsReport(NamedTuple):
    tensors: Sequence[LsTensor]
    labels: TableOnly[dict[str, str]]
    notes: list[Note]
    dumps: Section[list[LsDump]] = None
    others: TableOnly[OtherTensors | None] = None
    blocks: TableOnly[int] = 0  # of the first dump
    block_noun: TableOnly[str] = "block"  # layer where each layer is a block of its own
    by_block: TableOnly[Sequence[LsBlock]] = ()


class LsReport(InNotebooks, _LsReport):
    """The report of `ls`; `others` is None if all dumps have the same tensors."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.ls/1"
    kinds: ClassVar[tuple[str, ...]] = ("block", "param")
    scopes: ClassVar[Mapping[str, str]] = {"": "tensors"}


class LsScopes(LsReport):
    """The same report with rows of blocks, too, in csv, tsv and ndjson."""

    __slots__ = ()
    scopes: ClassVar[Mapping[str, str]] = {"block": "by_block", "param": "tensors"}


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


class StrategiesReport(InNotebooks, _StrategiesReport):
    """The report of `strategies`: the registry."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.strategies/1"
    kinds: ClassVar[tuple[str, ...]] = ()
    scopes: ClassVar[Mapping[str, str]] = {"": "strategies"}


class CacheRow(NamedTuple):
    """The file that `--cache` keeps figures in: how many results it holds, its size, and what is wrong with it, if anything.

    A result is what one call asked of a dump, or of tensors that it read again.
    After `cache clear` these are the results and bytes that were removed.
    """

    path: str
    results: int
    bytes: int
    trouble: str | None


class _CacheReport(NamedTuple):
    cache: list[CacheRow]
    notes: TableOnly[list[Note]]


class CacheReport(InNotebooks, _CacheReport):
    """The report of `cache info` and `cache clear`."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.cache/1"
    kinds: ClassVar[tuple[str, ...]] = ()
    scopes: ClassVar[Mapping[str, str]] = {"": "cache"}
