"""The plans of `check`, `diff`, `ls` and `show`; those of `apply` and `stats` are in their packages."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.norm_logs.base import Logs
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.storage.streams import STANDARD

if TYPE_CHECKING:
    from gradclip_cli.checks.limits import Limits


@dataclass(frozen=True)
class CheckPlan:
    """A request to find problems in dumps; `rules` are the names of checks, `baseline` is a run that went well."""

    inputs: tuple[DumpSource, ...]
    rules: tuple[str, ...]
    limits: "Limits"
    selection: Selection = Selection()
    notes: tuple[Note, ...] = ()  # on the inputs
    repeated: str | None = None  # what to take where files with several steps hold the same
    allow_missing: bool = False
    keep_going: bool = False
    jobs: int | None = None
    baseline: tuple[DumpSource, ...] = ()
    baseline_name: str = ""
    logs: Logs | None = None  # in place of dumps
    baseline_logs: Logs | None = None
    weights: tuple[DumpSource, ...] = ()  # one dump, or one for each step


@dataclass(frozen=True)
class DiffPlan:
    """A request to compare two dumps, or the dumps of two runs; elements are equal if |a - b| <= atol + rtol·|b|.

    `paths` are those that the user gave.
    """

    a: tuple[DumpSource, ...]
    b: tuple[DumpSource, ...]
    paths: tuple[str, str] = ("a", "b")
    rtol: float = 0.0
    atol: float = 0.0
    selection: Selection = Selection()
    jobs: int | None = None
    notes: tuple[Note, ...] = ()  # on the inputs
    repeated: str | None = None  # what to take where files with several steps hold the same

    def __post_init__(self) -> None:
        check_tolerance(self.rtol, self.atol)
        if self.a[0].location == self.b[0].location == STANDARD:
            raise UsageError("standard input can be read only once; give - once")


def check_learning_rate(lr: float | None, weights: bool) -> None:
    """Raise UsageError for a learning rate that is not above 0, or without weights."""
    if lr is not None and not weights:
        raise UsageError("--lr is for the update ratio, which needs --weights, too")
    if lr is not None and not 0 < lr < math.inf:
        raise UsageError(f"--lr must be a number above 0, not {lr:g}")


def check_tolerance(rtol: float, atol: float) -> None:
    """Raise UsageError for a tolerance that is negative, or no number."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 0 <= value < math.inf:
            raise UsageError(f"{name} must be a number of at least 0, not {value:g}")


class LsPlan(NamedTuple):
    """A request to list the tensors of dumps."""

    inputs: tuple[DumpSource, ...]
    selection: Selection = Selection()
    notes: tuple[Note, ...] = ()  # on the inputs


@dataclass(frozen=True)
class ShowPlan:
    """A request to show the tensors of one dump by norm; `tensor` is the name or a pattern of those to look into."""

    input: DumpSource
    tensor: str | None = None
    selection: Selection = Selection()
    notes: tuple[Note, ...] = ()  # on the input
    jobs: int | None = None
    given: str = ""  # the path as the user gave it
    choices: Choices = DEFAULT  # how it became a dump
    weights: tuple[DumpSource, ...] = ()
    lr: float | None = None
    allow_missing: bool = False
    weights_at: tuple[str, ...] = ()  # where the user says that they are

    def __post_init__(self) -> None:
        check_learning_rate(self.lr, bool(self.weights))
        if self.allow_missing and not self.weights:
            raise UsageError("--allow-missing is for gradients without weights here; give --weights, or leave it out")
