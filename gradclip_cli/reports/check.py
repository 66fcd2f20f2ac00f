"""The report of `check`."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.notebook import InNotebooks


class Finding(NamedTuple):
    """One problem, at the first step that shows it; `layer` and `param` are None if it concerns more than one."""

    rule: str
    input: str | list[str]
    step: int | None
    layer: str | None
    param: str | None
    value: float
    limit: float
    message: str


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
