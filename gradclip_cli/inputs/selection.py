"""Which files are read, and which of their tensors count."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gradclip_cli import formats
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs import folders, shards
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.text import listed

VOID_DTYPES = ("bfloat16",)
"""What 2-byte elements of no type may be taken for."""


@dataclass(frozen=True)
class Selection:
    """What a user says about inputs: `include` and `exclude` are shell-style patterns over the tensors' own names."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    naming: Naming = Naming()
    input_format: str | None = None
    void_dtype: str | None = None
    allow_huge: bool = False

    def __post_init__(self) -> None:
        if self.void_dtype not in (None, *VOID_DTYPES):
            raise UsageError(
                f"elements of no type can be taken for {', '.join(VOID_DTYPES)}, not for {self.void_dtype!r}"
            )

    def takes(self, name: str) -> bool:
        """Whether the tensor `name` counts."""
        included = not self.include or any(fnmatchcase(name, pattern) for pattern in self.include)
        return included and not any(fnmatchcase(name, pattern) for pattern in self.exclude)


def expand(inputs: Sequence[str]) -> list[str]:
    """Replace each directory by the dumps in it, in natural order, and shards by the sets that they belong to."""
    return shards.combined(
        [found for path in inputs for found in (_inside(path) if folders.is_folder(path) else [path])]
    )


def _inside(folder: str) -> list[str]:
    """Return the dumps in a folder: its files, itself where each is of one parameter, or those in the folders of its steps."""
    found = folders.files(folder, [shards.INDEX])
    if found:
        return [folder] if folders.is_by_param(found) else found
    if found := [path for step in folders.steps(folder) for path in _inside(step)]:
        return found
    if others := folders.with_dumps(folder):
        raise InputError(f"no dump in this directory itself; give one of those in it: {listed(others)}", path=folder)
    raise InputError(f"no dump in this directory; dumps end in {', '.join(formats.suffixes())}", path=folder)
