"""In which order dumps are read, and stand: that of their steps."""

import os
from collections.abc import Sequence

from gradclip_cli.inputs import shards
from gradclip_cli.inputs.naming import step_of


def in_step_order(paths: Sequence[str]) -> list[tuple[str, int | None]]:
    """Put dumps in the order of their steps, before any is read; where any has none, the order stays and no step is named."""
    found = [(path, step_of(place(path))) for path in paths]
    if any(step is None for _, step in found):
        return [(path, None) for path, _ in found]
    return sorted(found, key=lambda pair: pair[1] or 0)


def place(path: str) -> str:
    """Where a dump lies: its file, its folder, its index, or the first of its files."""
    return path if path.endswith(shards.INDEX) or os.path.isdir(path) else shards.parts(path)[0]
