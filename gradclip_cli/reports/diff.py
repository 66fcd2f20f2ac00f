"""The report of `diff`."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from gradclip_cli.notes import Note
from gradclip_cli.reports.base import Section, TableOnly
from gradclip_cli.reports.notebook import InNotebooks

Input = str | list[str]
"""The path of a dump; of a dump of several files, their paths."""

ON_SCREEN = frozenset({"only-in-one-run"})
"""The kinds of notes that the screen shows itself."""


class DiffParam(NamedTuple):
    """One tensor in both dumps; a figure is None if a side is missing or is not a gradient, or if it is undefined.

    `norm_ratio` is norm_b / norm_a, None unless both are finite and norm_a is above 0. `cosine` is that of the angle between
    them, None if either is zero or not finite. `max_rel_diff` is the largest |a - b| / |b| over the elements where b is
    not 0, None if there is no such element. `rel_diff` is the norm of a - b over the smaller norm of both, infinite if that
    is 0. Of a tensor in `pieces`, the shape is that of each of them, None if they differ.

    Of two runs, figures are those of the tensor in all steps as one vector, and `status` is that of `first_step`, the first
    step in which it is not the same.
    """

    name: str
    status: str
    norm_a: float | None = None
    norm_b: float | None = None
    norm_ratio: float | None = None
    cosine: float | None = None
    max_abs_diff: float | None = None
    max_rel_diff: float | None = None
    rel_diff: float | None = None
    first_step: int | None = None
    shape_a: TableOnly[tuple[int, ...] | None] = None
    shape_b: TableOnly[tuple[int, ...] | None] = None
    dtype_a: TableOnly[str | None] = None
    dtype_b: TableOnly[str | None] = None
    pieces_a: TableOnly[int] = 1
    pieces_b: TableOnly[int] = 1


class DiffBlock(NamedTuple):
    """The gradients of a block that are in both dumps, as one vector; `differing` counts all tensors that are not the same.

    Of two runs its figures are those of all steps as one vector; `first_step` is the first at which it differs. At
    `worst_step` its relative difference is largest, and `worst_norm_a` to `worst_rel_diff` are its figures at that step alone.
    """

    block: str
    tensors: int
    differing: int
    norm_a: float | None = None
    norm_b: float | None = None
    norm_ratio: float | None = None
    cosine: float | None = None
    rel_diff: float | None = None
    first_step: int | None = None
    worst_step: int | None = None
    worst_norm_a: float | None = None
    worst_norm_b: float | None = None
    worst_ratio: float | None = None
    worst_cosine: float | None = None
    worst_rel_diff: float | None = None


class DiffStep(NamedTuple):
    """One step of two runs; what only one run has is `only-a` or `only-b`, and has no figures.

    Norms are of the gradients that are in both dumps, in one shape; `differing` counts all tensors that are not the same.
    """

    step: int | None
    input_a: Input | None
    input_b: Input | None
    equal: bool
    status: str
    differing: int | None = None
    norm_a: float | None = None
    norm_b: float | None = None
    norm_ratio: float | None = None
    cosine: float | None = None
    rel_diff: float | None = None
    label: TableOnly[str] = ""


class DiffFirst(NamedTuple):
    """The first step at which two runs part: the names of the tensors that are not the same there."""

    step: int | None
    input_a: Input
    input_b: Input
    params: list[str]
    label: TableOnly[str] = ""


class _DiffReport(NamedTuple):
    equal: bool
    params: list[DiffParam]
    inputs: TableOnly[tuple[str, str]]
    overall: TableOnly[DiffParam]
    notes: list[Note]
    blocks: Section[list[DiffBlock]] = None
    steps: Section[list[DiffStep]] = None
    first: Section[DiffFirst] = None
    elements: TableOnly[int] = 0
    tolerance: TableOnly[tuple[float, float]] = (0.0, 0.0)
    source: Section[str] = None
    column: Section[str] = None


class DiffReport(InNotebooks, _DiffReport):
    """The report of `diff` on two dumps; `overall` compares all gradients that are in both dumps, as one vector.

    Those that are reshaped are left out of it; its figures are None if nothing is left. `elements` counts those of A,
    `tolerance` is (rtol, atol). `source` is `log` where norms come from a log on either side, whose `column` was taken.
    """

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.diff/1"
    kinds: ClassVar[tuple[str, ...]] = ("block", "param")
    scopes: ClassVar[Mapping[str, str]] = {"": "params"}


class DiffScopes(DiffReport):
    """The same report with rows of blocks, too, in csv, tsv and ndjson."""

    __slots__ = ()
    scopes: ClassVar[Mapping[str, str]] = {"block": "blocks", "param": "params"}


class DiffRuns(DiffReport):
    """The report of `diff` on two runs: `steps` has a row for each step of either, `elements` counts those of all steps of A."""

    __slots__ = ()
    kinds: ClassVar[tuple[str, ...]] = ("step", "block", "param")
    scopes: ClassVar[Mapping[str, str]] = {"step": "steps", "block": "blocks", "param": "params"}


class DiffLogs(DiffRuns):
    """The report of `diff` on logs of norms: `params` has the norm of the whole, then those of tensors that both logs hold.

    |a - b| is the difference of two norms, and there is no cosine. `elements` counts the steps.
    """

    __slots__ = ()
    kinds: ClassVar[tuple[str, ...]] = ("step", "param")
    scopes: ClassVar[Mapping[str, str]] = {"step": "steps", "param": "params"}
