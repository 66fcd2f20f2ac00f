"""The report of `apply`."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from gradclip_cli.notes import Note
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.notebook import InNotebooks

ON_SCREEN = frozenset({"zeroed", "skipped", "propagated", "underflow", "overflow"})
"""The kinds of notes that the screen shows itself."""


class ApplyTotal(NamedTuple):
    """A whole dump, before and after; figures of groups are None if every element is its own group.

    `mean_factor` is the mean of the finite factors, and `least_factor` the lowest, of the group `least`. `underflowed` and
    `overflowed` count the elements that were rounded to zero and to infinity, `replaced` those that were not finite and
    are 0 now. `finite_norm_before` is the norm of the finite elements: what is clipped where the others become 0.
    `skipped_groups` are left out of the step by a rule: they are 0 now, and not clipped.
    """

    tensors: int
    elements: int
    norm_before: float
    norm_after: float
    max_abs_before: float
    max_abs_after: float
    groups: int | None
    clipped_groups: int | None
    clipped_elements: int
    mean_factor: float | None = None
    underflowed: int = 0
    overflowed: int = 0
    replaced: int = 0
    finite_norm_before: float | None = None
    least_factor: TableOnly[float | None] = None
    least: TableOnly[str] = ""
    skipped_groups: int = 0

    @property
    def clipped(self) -> bool:
        """Whether anything in the dump was clipped."""
        return bool(self.clipped_groups or self.clipped_elements)


class ApplyLayer(NamedTuple):
    """One layer, before and after; `factor` and `threshold` are None unless all its params share them.

    `peak_before` and `peak_after` are the largest |g|. `limited` counts the clipped elements if elements are clipped one by
    one, else it is None; `units` counts those that are clipped and all, if each has a factor of its own.
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
    units: TableOnly[tuple[int, int] | None] = None


class ApplyBlock(NamedTuple):
    """One block, before and after: the layers whose names are alike up to their first number.

    `share` is its share of the sum that the norm of the dump is a root of; None where there is none. See `ApplyLayer`.
    """

    block: str
    params: int
    elements: int
    norm_before: float
    norm_after: float
    share: float | None
    factor: float | None
    clipped: bool
    peak_before: TableOnly[float]
    peak_after: TableOnly[float]
    params_clipped: TableOnly[int]
    limited: TableOnly[int | None]
    units: TableOnly[tuple[int, int] | None] = None


class ApplyKind(NamedTuple):
    """One kind of module, before and after: the layers whose names differ in numbers alone.

    `share` is its share of the sum that the norm of the dump is a root of; None where there is none. See `ApplyLayer`.
    """

    kind: str
    params: int
    elements: int
    norm_before: float
    norm_after: float
    share: float | None
    factor: float | None
    clipped: bool
    peak_before: TableOnly[float]
    peak_after: TableOnly[float]
    params_clipped: TableOnly[int]
    limited: TableOnly[int | None]
    units: TableOnly[tuple[int, int] | None] = None


class ApplyParam(NamedTuple):
    """One tensor, before and after; a figure is None if it was not measured, since the tensor is left as it is.

    `overflowed` counts the elements that were rounded to infinity, and `replaced` those that were not finite and are 0 now.
    Where units have factors of their own, `factor` is None, and `min_factor` the lowest of them.
    """

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
    overflowed: int | None = None
    replaced: int | None = None
    units: int | None = None
    clipped_units: int | None = None
    min_factor: float | None = None


class ApplyDump(NamedTuple):
    """One input and its output, None if nothing was written; a dump in shards is its index file, or the list of its shards.

    `largest_layers`, `largest_blocks` and `largest_params` are all that count, those of the largest norms before first.
    `treated` says what was done to NaN and infinities.
    """

    input: str | list[str]
    output: str | list[str] | None
    step: int | None
    total: ApplyTotal
    layers: Sequence[ApplyLayer]
    params: Sequence[ApplyParam]
    labels: TableOnly[dict[str, str]]
    name: TableOnly[str | None] = None  # stands for a step that is a running number
    blocks: Sequence[ApplyBlock] = ()
    largest_layers: TableOnly[Sequence[ApplyLayer]] = ()
    largest_blocks: TableOnly[Sequence[ApplyBlock]] = ()
    largest_params: TableOnly[Sequence[ApplyParam]] = ()
    treated: TableOnly[str | None] = None
    module_kinds: TableOnly[Sequence[ApplyKind]] = ()


class _ApplyReport(NamedTuple):
    strategy: str
    threshold: float | None
    norm_type: float
    epsilon: float
    nonfinite: str
    dumps: list[ApplyDump]
    notes: list[Note]
    clipped_dumps: int = 0
    clipped_steps: Sequence[int] = ()  # of those that have a step
    mean_factor: float | None = None  # of all groups of all dumps
    output_dtype: str | None = None
    files_written: TableOnly[int] = 0
    bytes_written: TableOnly[int] = 0
    limits: TableOnly[str] = ""  # the threshold in words, with its rule
    unit: TableOnly[str] = "dump"  # what shares a norm: a dump, layer, tensor, element, or - for nothing at all
    target: TableOnly[str | None] = None  # the file or directory that was written, None in place
    seconds: TableOnly[float | None] = None  # how long the whole call took
    rule: str | None = None
    skipped_dumps: int = 0
    skipped_steps: Sequence[int] = ()  # of those that have a step


class ApplyReport(InNotebooks, _ApplyReport):
    """The report of `apply`; `rule` has chosen the threshold, the advised one where the user asked for `auto`; None for a number."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.apply/1"
    kinds: ClassVar[tuple[str, ...]] = ("total", "block", "kind", "layer", "param", "step")
    scopes: ClassVar[Mapping[str, str]] = {
        "param": "dumps.params",
        "layer": "dumps.layers",
        "kind": "dumps.module_kinds",
        "block": "dumps.blocks",
        "total": "dumps.total",
    }
