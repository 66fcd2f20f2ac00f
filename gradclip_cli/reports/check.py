"""The report of `check`."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.base import TableOnly
from gradclip_cli.reports.notebook import InNotebooks


class Finding(NamedTuple):
    """One problem, at the first step that shows it; `layer` and `param` are None if it concerns more than one.

    `block` is None if it concerns the whole dump; then `layer` and `param`, if any, are the largest part of it. `dumps` says
    how many dumps show it, `steps` from which step to which, for each run of such dumps, and `worst` is the value that is
    farthest from the limit in any of them.
    """

    rule: str
    input: str | list[str]
    step: int | None
    layer: str | None
    param: str | None
    value: float
    limit: float
    message: str
    block: str | None
    dumps: int
    steps: list[tuple[int, int]]
    worst: float
    brief: TableOnly[str]  # what the worst value is, in a few words
    advice: TableOnly[str]


class First(NamedTuple):
    """What rose first before the norm of the dump exploded or stopped being finite at `step`.

    `at` is the step at which the `blocks` stood at so many `times` their own usual norm, None for one that was not finite; there
    are no blocks if all rose together.
    """

    step: int | None
    at: int | None
    blocks: list[str]
    times: list[float | None]


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
