"""Values as cells of csv and tsv: numbers that read back the same, and text that no spreadsheet takes for a formula."""

from collections.abc import Sequence
from typing import Any

from gradclip_cli.text import printable

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a formula begins with, in wide forms too; tab and CR, which some drop before they look, are escaped by then."""


def cell(value: Any) -> str:
    """Write a value: None is empty, an array's shape `2x3`, and text that begins like a formula stands behind a `'`.

    >>> cell(None), cell(1 / 3), cell(True), cell((2, 3)), cell("=1+1")
    ('', '0.3333333333333333', 'true', '2x3', "'=1+1")
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return float.__repr__(value) if isinstance(value, float) else str(value)
    if isinstance(value, str) or not all(isinstance(item, int) for item in value):
        text = printable(joined(value))
        return f"'{text}" if text.startswith(_FORMULA) else text
    return joined(value)


def joined(value: str | Sequence[Any]) -> str:
    """Write a text, a shape, or the paths of a dump in shards.

    >>> joined((2, 3)), joined(()), joined(["a.npz", "b.npz"])
    ('2x3', 'scalar', 'a.npz;b.npz')
    """
    if isinstance(value, str):
        return value
    if all(isinstance(item, int) for item in value):
        return "x".join(map(str, value)) or ("scalar" if isinstance(value, tuple) else "")
    return ";".join(map(str, value))
