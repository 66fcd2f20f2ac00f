"""The report of `show`."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from gradclip_cli.notes import Note
from gradclip_cli.reports.base import Section, TableOnly
from gradclip_cli.reports.notebook import InNotebooks


class ShowTotal(NamedTuple):
    """All gradients that are shown; figures but `norm` are of the finite elements, `min_abs` is the smallest |g| above 0.

    With weights, `ratio` is the norm over that of the weights, and `update_ratio` that times the learning rate.
    """

    tensors: int
    elements: int
    norm: float
    finite_norm: float
    rms: float | None
    max_abs: float | None
    min_abs: float | None
    zeros: int
    nan: int
    inf: int
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class ShowBlock(NamedTuple):
    """One block; `share` is its share of the squared norm of all that is shown, of the finite elements."""

    block: str
    tensors: int
    elements: int
    norm: float
    finite_norm: float
    share: float | None
    rms: float | None
    max_abs: float | None
    min_abs: float | None
    zeros: int
    nan: int
    inf: int
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class ShowKind(NamedTuple):
    """One kind of module, all layers whose names differ in numbers alone; `share` is as in `ShowBlock`."""

    kind: str
    tensors: int
    elements: int
    norm: float
    finite_norm: float
    share: float | None
    rms: float | None
    max_abs: float | None
    min_abs: float | None
    zeros: int
    nan: int
    inf: int
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class ShowParam(NamedTuple):
    """One tensor; a figure is None if it is no gradient."""

    name: str
    block: str
    layer: str
    param: str
    shape: tuple[int, ...] | None
    dtype: str
    elements: int
    norm: float | None = None
    finite_norm: float | None = None
    share: float | None = None
    rms: float | None = None
    max_abs: float | None = None
    min_abs: float | None = None
    zeros: int | None = None
    nan: int | None = None
    inf: int | None = None
    weight_norm: float | None = None
    ratio: float | None = None
    update_ratio: float | None = None


class ShowPlace(NamedTuple):
    """The index of an element; `file` is the file of its piece if nothing says where that belongs in the tensor."""

    index: tuple[int, ...]  # type: ignore[assignment]  # hides `tuple.index`, which nobody calls
    file: str | None


class ShowValues(NamedTuple):
    """The values of one tensor.

    Signs are those of the finite elements, None for complex ones. `subnormal` counts elements in its own dtype.
    """

    name: str
    positive: int | None
    negative: int | None
    zeros: int
    nan: int
    posinf: int
    neginf: int
    subnormal: int
    max_abs: float | None
    max_at: ShowPlace | None
    min_abs: float | None
    min_at: ShowPlace | None
    nan_at: ShowPlace | None
    inf_at: ShowPlace | None


class ShowPercentile(NamedTuple):
    """A percentile of |g| over the finite elements, zeros too, by the nearest rank; the exact one is between `low` and `high`."""

    percent: float
    low: float
    high: float


class ShowBand(NamedTuple):
    """What a cast to a dtype would do: |g| up to `lost_to` becomes 0, up to `subnormal_to` subnormal, above `largest` infinite or NaN.

    `lost`, `subnormal` and `overflow` count the elements, without those that are 0 or not finite before.
    """

    dtype: str
    lost_to: float
    subnormal_to: float
    largest: float
    lost: int
    subnormal: int
    overflow: int


class ShowBin(NamedTuple):
    """The elements with low <= |g| < high; None of either sign for complex ones."""

    low: float
    high: float
    count: int  # type: ignore[assignment]  # hides `tuple.count`, which nobody calls
    positive: int | None
    negative: int | None


class _ShowReport(NamedTuple):
    input: str | list[str]
    step: int | None
    tensor: str | None
    total: ShowTotal
    blocks: Sequence[ShowBlock]
    params: Sequence[ShowParam]
    notes: list[Note]
    labels: TableOnly[dict[str, str]]
    values: Section[ShowValues] = None
    percentiles: Section[list[ShowPercentile]] = None
    bands: Section[list[ShowBand]] = None
    bins: Section[list[ShowBin]] = None
    name: TableOnly[str | None] = None  # stands for a step that is a running number
    command: TableOnly[str] = ""  # that shows the same dump
    block_noun: TableOnly[str] = "block"  # layer where each layer is a block of the same name
    module_kinds: TableOnly[Sequence[ShowKind]] = ()


class ShowReport(InNotebooks, _ShowReport):
    """The report of `show`: the blocks and tensors of one dump by norm, and the values of one tensor if `tensor` names one.

    Where it is a pattern of several, these are all that is shown, and shares are of them.

    The bins are those from the smallest to the largest |g| above 0, eight between two powers of two.
    """

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.show/1"
    kinds: ClassVar[tuple[str, ...]] = ("total", "block", "kind", "param", "bin")
    scopes: ClassVar[Mapping[str, str]] = {
        "param": "params",
        "kind": "module_kinds",
        "block": "blocks",
        "total": "total",
        "bin": "bins",
    }
