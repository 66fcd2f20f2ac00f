"""What `check` found."""

from typing import NamedTuple

from gradclip_cli.errors import GradclipError


class Finding(NamedTuple):
    """One thing that is wrong, at the first step where it shows; what concerns a whole layer or dump names no param or layer."""

    rule: str
    input: str | list[str]
    step: int | None
    layer: str | None
    param: str | None
    value: float
    limit: float
    message: str


class CheckReport(NamedTuple):
    """What `check` found, rule by rule."""

    findings: list[Finding]
    dumps: int
    notes: list[str]
    failed: list[GradclipError]
