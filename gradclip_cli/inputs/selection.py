"""Select the tensors of the inputs that are used, and say how they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.text import did_you_mean

VOID_DTYPES = ("bfloat16",)
"""Dtypes that untyped 2-byte elements may be read as."""


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

    def __post_init__(self) -> None:
        if self.void_dtype not in (None, *VOID_DTYPES):
            raise UsageError(
                f"elements of no type can be taken for {', '.join(VOID_DTYPES)}, not for {self.void_dtype!r}"
            )
        if self.along not in (None, 0):
            raise UsageError(f"--along takes axis 0 only, not {self.along}")

    def takes(self, name: str) -> bool:
        """Whether the tensor `name` is selected."""
        included = not self.include or any(fnmatchcase(name, pattern) for pattern in self.include)
        return included and not any(fnmatchcase(name, pattern) for pattern in self.exclude)


def check_included(names: Sequence[str], selection: Selection) -> None:
    """Raise UsageError if a pattern of --include matches none of the names."""
    for pattern in selection.include:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = did_you_mean(pattern, names, "`gradclip ls` lists the tensors")
            raise UsageError(f"no tensor matches --include {pattern!r}; {hint}")
