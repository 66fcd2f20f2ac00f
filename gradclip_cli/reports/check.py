"""The report of `check`."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.notebook import InNotebooks


class Finding(NamedTuple):
    """One problem, at the first step that shows it; `layer` and `param` are None if it concerns more than one.

    `index` is where its first or largest element is, `slice` the indices along axis 0 that it concerns, such as `5, 7-9`.
    """

    rule: str
    input: str | list[str]
    step: int | None
    layer: str | None
    param: str | None
    value: float
    limit: float
    message: str
    index: list[int] | None = None  # type: ignore[assignment]  # a key of JSON, which hides the method of tuples
    slice: str | None = None


class _CheckReport(NamedTuple):
    findings: list[Finding]
    dumps: int
    notes: list[Note]
    failed: TableOnly[list[GradclipError]]


class CheckReport(_CheckReport, InNotebooks):
    """The report of `check`: findings by rule; `failed` holds the errors of dumps that were left out."""

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.check/1"
    kinds: ClassVar[tuple[str, ...]] = ("finding",)
    scopes: ClassVar[Mapping[str, str]] = {"": "findings"}
