"""Which files are read, and which of their tensors count."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gradclip_cli import formats, shards
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.naming import Naming, natural

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
    paths: list[str] = []
    for path in inputs:
        if not os.path.isdir(path):
            paths.append(path)
            continue
        suffixes = formats.suffixes()
        try:
            names = sorted(os.listdir(path), key=natural)
        except OSError as error:
            raise InputError(str(error.strerror), path=path) from error
        endings = (*suffixes, shards.INDEX)
        found = [os.path.join(path, name) for name in names if name.lower().endswith(endings) and name[0] != "."]
        if not found:
            raise InputError(f"no dump in this directory; dumps end in {', '.join(suffixes)}", path=path)
        paths += found
    return shards.combined(paths)
