"""Series of dumps in any format, and what `check` finds in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradclip_cli import check
from support.official import save_as

Arrays = Mapping[str, Any]


class Seen(NamedTuple):
    """Where a finding is."""

    rule: str
    step: int | None
    layer: str | None
    param: str | None


def series(folder: Path, dumps: Sequence[Arrays], suffix: str = ".npz") -> Path:
    """Write dumps as the steps 1, 2, 3 ... of a folder."""
    for step, arrays in enumerate(dumps, 1):
        save_as(folder / f"step_{step}{suffix}", arrays)
    return folder


def seen(path: Path, **options: Any) -> list[Seen]:
    """Return where the findings are."""
    return [Seen(one.rule, one.step, one.layer, one.param) for one in check(path, **options).findings]
