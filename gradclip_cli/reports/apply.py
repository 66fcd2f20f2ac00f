"""The report of `apply`."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from gradclip_cli.notes import Note
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.notebook import InNotebooks


class ApplyTotal(NamedTuple):
    """A whole dump, before and after; figures of groups are None if every element is its own group."""

    tensors: int
    elements: int
    norm_before: float
    norm_after: float
    max_abs_before: float
    max_abs_after: float
    groups: int | None
    clipped_groups: int | None
    clipped_elements: int


class ApplyLayer(NamedTuple):
    """One layer, before and after; `factor` is None unless all its params share it.

    `peak_before` and `peak_after` are the largest |g|. `limited` counts the clipped elements if elements are clipped one by
    one, else it is None.
    """

    layer: str
    params: int
    elements: int
    norm_before: float
    norm_after: float
    factor: float | None
    clipped: bool
    strategy: str
    threshold: float | None
    peak_before: TableOnly[float]
    peak_after: TableOnly[float]
    params_clipped: TableOnly[int]
    limited: TableOnly[int | None]


class ApplyParam(NamedTuple):
    """One tensor, before and after; a figure is None if it was not measured, since the tensor is left as it is."""

    name: str
    layer: str
    param: str
    shape: tuple[int, ...] | None
    dtype: str
    elements: int
    norm_before: float | None = None
    norm_after: float | None = None
    max_abs_before: float | None = None
    max_abs_after: float | None = None
    factor: float | None = None
    clipped: bool = False
    clipped_elements: int = 0
    zeros: int | None = None
    nonfinite: int | None = None
    underflowed: int | None = None
    strategy: str | None = None
    threshold: float | None = None


class ApplyDump(NamedTuple):
    """One input and its output, None if nothing was written; a dump in shards is its index file, or the list of its shards."""

    input: str | list[str]
    output: str | list[str] | None
    step: int | None
    total: ApplyTotal
    layers: Sequence[ApplyLayer]
    params: Sequence[ApplyParam]
    labels: TableOnly[dict[str, str]]
    name: TableOnly[str | None] = None  # stands for a step that is a running number


class _ApplyReport(NamedTuple):
    strategy: str
    threshold: float | None
    norm_type: float
    epsilon: float
    nonfinite: str
    dumps: list[ApplyDump]
    notes: list[Note]
    rule: str | None = None


class ApplyReport(_ApplyReport, InNotebooks):
    """The report of `apply`; `rule` has chosen the threshold, the advised one where the user asked for `auto`; None for a number."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.apply/1"
    kinds: ClassVar[tuple[str, ...]] = ("total", "layer", "param", "step")
    scopes: ClassVar[Mapping[str, str]] = {"param": "dumps.params", "layer": "dumps.layers", "total": "dumps.total"}
