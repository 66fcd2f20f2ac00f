"""The report of `check`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.base import Section, TableOnly
from gradclip_cli.reports.notebook import InNotebooks

if TYPE_CHECKING:
    from gradclip_cli.thresholds.rises import Rise

NO_GRADIENT, NOT_JUDGED = "no-gradient", "not-judged"
"""The kinds of notes on what was not checked, which the screen says itself."""


class Finding(NamedTuple):
    """One problem, at the first step that shows it; `layer` and `param` are None if it concerns more than one.

    `block` is None if it concerns the whole dump; then `layer` and `param`, if any, are the largest part of it. `dumps` says
    how many dumps show it, `steps` from which step to which, for each run of such dumps, and `worst` is the value that is
    farthest from the limit in any of them. `index` is where its first or largest element is, `slice` the indices along axis 0
    that it concerns, such as `5, 7-9`.
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
    index: list[int] | None  # type: ignore[assignment]  # a key of JSON, which hides the method of tuples
    slice: str | None
    brief: TableOnly[str]  # what the worst value is, in a few words
    cause: TableOnly[str]  # where it comes from, if that is more than the brief says
    advice: TableOnly[str]


class FirstRise(NamedTuple):
    """What rose first before the step `at`, in which the norm of the dump explodes or is not finite.

    `names` has the blocks that stand high in step `step`, the highest first, and `times` how many times their usual norm they are,
    infinite where they are not finite. They are empty where all blocks rise together.
    """

    at: int | None
    step: int | None
    input: str | list[str]
    names: list[str]
    times: list[float]

    @classmethod
    def of(
        cls,
        rise: "Rise",
        at: int,
        blocks: Sequence[object],
        steps: Sequence[int | None],
        inputs: Sequence[str | list[str]],
    ) -> "FirstRise":
        """Name the blocks of a rise before the dump at row `at`; `steps` and `inputs` are those of all dumps."""
        names = [str(blocks[column]) for column in rise.columns]
        return cls(steps[at], steps[rise.row], inputs[rise.row], names, list(rise.times))


class _CheckReport(NamedTuple):
    findings: list[Finding]
    dumps: int
    notes: list[Note]
    failed: TableOnly[list[GradclipError]]
    first: FirstRise | None = None
    unjudged: TableOnly[str] = ""  # what so short a series says nothing on
    gradients: TableOnly[bool] = True
    source: Section[str] = None
    column: Section[str] = None
    rules: TableOnly[tuple[str, ...]] = ()


class CheckReport(InNotebooks, _CheckReport):
    """The report of `check`: findings by rule, and what rose first.

    `failed` holds the errors of dumps that were left out. Without `gradients` there was nothing to check.
    `source` is `log` where norms come from a log, whose `column` was taken, and which was checked by `rules` only.
    """

    __slots__ = ()
    schema: ClassVar[str] = "gradclip.check/1"
    kinds: ClassVar[tuple[str, ...]] = ("finding",)
    scopes: ClassVar[Mapping[str, str]] = {"": "findings"}

    @property
    def has_layers(self) -> bool:
        """Whether any finding is about a layer or a block."""
        return any(one.block is not None for one in self.findings)

    @property
    def noun(self) -> str:
        """What is checked one by one: dumps, or the steps of a log."""
        return "dump" if self.source is None else "step"
