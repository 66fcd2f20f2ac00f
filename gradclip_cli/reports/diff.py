"""The report of `diff`."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from gradclip_cli.notes import Note
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.notebook import InNotebooks


class DiffParam(NamedTuple):
    """One tensor in both dumps; a figure is None if a side is missing or is not a gradient, or if it is undefined.

    `norm_ratio` is norm_b / norm_a, None unless both are finite and norm_a is above 0. `cosine` is that of the angle between
    them, None if either is zero or not finite. `max_rel_diff` is the largest |a - b| / |b| over the elements where b is
    not 0, None if there is no such element. Of a tensor in `pieces`, the shape is that of each of them, None if they differ.
    """

    name: str
    status: str
    norm_a: float | None = None
    norm_b: float | None = None
    norm_ratio: float | None = None
    cosine: float | None = None
    max_abs_diff: float | None = None
    max_rel_diff: float | None = None
    shape_a: TableOnly[tuple[int, ...] | None] = None
    shape_b: TableOnly[tuple[int, ...] | None] = None
    dtype_a: TableOnly[str | None] = None
    dtype_b: TableOnly[str | None] = None
    pieces_a: TableOnly[int] = 1
    pieces_b: TableOnly[int] = 1


class _DiffReport(NamedTuple):
    equal: bool
    params: list[DiffParam]
    inputs: TableOnly[tuple[str, str]]
    overall: TableOnly[DiffParam]
    notes: list[Note]


class DiffReport(_DiffReport, InNotebooks):
    """The report of `diff`; `overall` compares all gradients that are in both dumps, as one vector.

    Those that are reshaped are left out of it; its figures are None if nothing is left.
    """

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.diff/1"
    kinds: ClassVar[tuple[str, ...]] = ("param",)
    scopes: ClassVar[Mapping[str, str]] = {"": "params"}
