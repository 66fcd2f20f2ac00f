"""What a typed caller writes: checked by mypy, and never run."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import gradclip_cli
from gradclip_cli import (
    ApplyReport,
    CheckReport,
    DiffReport,
    Finding,
    GradclipError,
    LsReport,
    LsTensor,
    StatsReport,
    Suggestion,
)


class Printed:
    """A progress of the caller's own."""

    def start(self, dumps: int, files: Iterable[str], passes: int) -> None:
        """Say how much there is to do."""
        print(dumps, passes, *files)

    def advance(self, count: int, path: str) -> None:
        """Say how far it has come."""
        print(path, count)


def clipped(folder: Path) -> ApplyReport:
    """Clip a series in place."""
    return gradclip_cli.apply(
        folder,
        in_place=True,
        strategy="none",
        layers={"lstm*": ("clip-l2-per-layer", 0.5), "head": (None, "mean")},
        progress=Printed(),
    )


def suggested(folder: str) -> list[Suggestion]:
    """Return the suggestions for a series."""
    report: StatsReport = gradclip_cli.stats([folder], rule="mad:5", tries=("clip-by-norm:1",))
    return report.suggestions


def found(dumps: Sequence[Path]) -> list[Finding]:
    """Return what is wrong; limits are keywords with types of their own."""
    report: CheckReport = gradclip_cli.check(dumps, exploding_factor=20, underflow_dtype=("float16",))
    return report.findings


def listed(dump: str) -> list[LsTensor]:
    """Return what a dump holds, nothing where it cannot be read."""
    try:
        report: LsReport = gradclip_cli.ls(dump)
    except GradclipError as error:
        print(error.exit_code)
        return []
    return list(report.tensors)


def equal(a: Path, b: Path) -> bool:
    """Tell whether two dumps hold the same."""
    report: DiffReport = gradclip_cli.diff(a, b, rtol=1e-6)
    return report.equal


def mistaken(dump: Path) -> None:
    """Make mistakes that mypy sees: it would complain about each of these comments that is not needed."""
    gradclip_cli.check(dump, exploding_factor="20")  # type: ignore[arg-type]
    gradclip_cli.check(dump, explodingfactor=20)  # type: ignore[call-arg]
    gradclip_cli.apply(dump, strategy=1)  # type: ignore[arg-type]
    print(gradclip_cli.stats(dump).findings)  # type: ignore[attr-defined]
