"""In which order dumps are read, and stand: that of their steps."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from gradclip_cli.inputs import shards
from gradclip_cli.inputs.naming import step_of

Item = TypeVar("Item")


def in_order(items: Iterable[Item], step: Callable[[Item], int | None]) -> list[tuple[Item, int | None]]:
    """Put items in the order of their steps; where any has none, the order stays and none has one."""
    found = [(item, step(item)) for item in items]
    if any(number is None for _, number in found):
        return [(item, None) for item, _ in found]
    return sorted(found, key=lambda pair: pair[1] or 0)


def in_step_order(paths: Sequence[str]) -> list[tuple[str, int | None]]:
    """Put dumps in the order of their steps, before any is read."""
    return in_order(paths, lambda path: step_of(place(path)))


def place(path: str) -> str:
    """Where a dump lies: its file, its folder, its index, or the first of its files."""
    return path if path.endswith(shards.INDEX) or os.path.isdir(path) else shards.parts(path)[0]
