"""Select the tensors of the inputs that are used, and say how they are read."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.patterns import containing, is_literal, unmatched
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.wanted_steps import WantedSteps

if TYPE_CHECKING:
    from gradclip_cli.tensors import TensorSpec

VOID_DTYPES = ("bfloat16",)
"""Dtypes that untyped 2-byte elements may be read as."""

TIED = ("twice", "once")
"""How often two tensors of one dump count that have the same bits."""


@dataclass(frozen=True)
class Selection:
    """The user's options for inputs; `include` and `exclude` are shell-style patterns for the names of tensors.

    With `along`, each slice along that axis of the tensors in a file is a dump of its own.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    naming: Naming = Naming()
    input_format: str | None = None
    void_dtype: str | None = None
    allow_huge: bool = False
    along: int | None = None
    unscale: float | str | None = None  # the loss scale, or the key of the metadata that holds it
    replicated: tuple[str, ...] = ()  # patterns for tensors of which each file holds a copy, and not a piece
    tied: str = "twice"
    steps: WantedSteps | None = None  # of a series in one file

    def __post_init__(self) -> None:
        if self.void_dtype not in (None, *VOID_DTYPES):
            raise UsageError(
                f"elements of no type can be taken for {', '.join(VOID_DTYPES)}, not for {self.void_dtype!r}"
            )
        if self.along not in (None, 0):
            raise UsageError(f"--along takes axis 0 only, not {self.along}; write --along 0, or leave it out")
        if self.tied not in TIED:
            raise UsageError(f"tied tensors can count {' or '.join(TIED)}, not {self.tied!r}")

    def takes(self, name: str) -> bool:
        """Whether the tensor `name` is selected."""
        included = not self.include or any(fnmatchcase(name, pattern) for pattern in self.include)
        return included and not any(fnmatchcase(name, pattern) for pattern in self.exclude)

    def rows(self, names: Sequence[str]) -> Sequence[int]:
        """Return which of some tensors are selected."""
        if not self.include and not self.exclude:
            return range(len(names))
        return [row for row, name in enumerate(names) if self.takes(name)]

    def counts(self, spec: "TensorSpec") -> bool:
        """Whether a selected tensor may be a gradient: it has no other role in its file, or --include has named it."""
        return spec.role is None or bool(self.include)

    @property
    def has_names(self) -> bool:
        """Whether `check_included` has anything to check: patterns that must match, or names to leave out."""
        return bool(self.include or self.replicated or any(map(is_literal, self.exclude)))


def check_included(names: Collection[str], selection: Selection) -> None:
    """Raise UsageError if a pattern of --include or --replicated matches none of the names.

    A pattern of --exclude without a wildcard may name what is not there, but not what only stands inside other names.
    """
    options = [("--include", pattern) for pattern in selection.include]
    options += [("--replicated", pattern) for pattern in selection.replicated]
    for option, pattern in options:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(unmatched(option, pattern, names))
    for pattern in filter(is_literal, selection.exclude):
        if pattern and pattern not in names and containing(names, pattern):
            raise UsageError(unmatched("--exclude", pattern, names))


def replicated_in(sources: Iterable[DumpSource], patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns of --replicated; raise UsageError where no dump has tensors in pieces."""
    found = tuple(patterns)
    if found and not any(source.layout.in_pieces for source in sources):
        raise UsageError(
            "--replicated is for tensors that several files hold; give --shards with the files of all ranks"
        )
    return found
