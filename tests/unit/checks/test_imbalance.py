"""Tensors that lead a dump, and layers worlds apart, are found; what is at a limit is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.findings import Arrays, Seen, seen, series
from support.matrices import crossed

from unit.checks.made import SUFFIXES

FOUND: dict[str, tuple[Sequence[Arrays], dict[str, Any], list[Seen]]] = {
    "one tensor leads": ([{"a.w": [100.0], "b.w": [1.0]}], {}, [Seen("dominated", 1, "a", "w")]),
    "more than half": ([{"a.w": [1.1], "b.w": [1.0]}], {"dominated_share": 0.5}, [Seen("dominated", 1, "a", "w")]),
    "worlds apart": (
        [{"a.w": [1e3], "b.w": [0.9e-3]}],
        {"ignore": ["dominated", "vanishing"]},
        [Seen("spread", 1, None, None)],
    ),
}

SILENT: dict[str, tuple[Sequence[Arrays], dict[str, Any]]] = {
    "a weight and its bias": ([{"a.w": [1000.0], "a.b": [1.0]}], {}),
    "one tensor alone": ([{"a.w": [1000.0]}], {}),
    "less than 99.9 %": ([{"a.w": [31.0], "b.w": [1.0]}], {}),
    "spread at the limit": ([{"a.w": [1e3], "b.w": [1e-3]}], {"ignore": ["dominated"]}),
}


@pytest.mark.parametrize(("case", "suffix"), crossed(FOUND, SUFFIXES))
def test_found(case: str, suffix: str, tmp_path: Path) -> None:
    """What is beyond a limit is found, once, at the first step and with the tensor's name; nothing else is."""
    dumps, options, expected = FOUND[case]
    assert seen(series(tmp_path, dumps, suffix), **options) == expected


@pytest.mark.parametrize(("case", "suffix"), crossed(SILENT, SUFFIXES))
def test_silent(case: str, suffix: str, tmp_path: Path) -> None:
    """What is at a limit, and what only looks wrong, is not found."""
    dumps, options = SILENT[case]
    assert seen(series(tmp_path, dumps, suffix), **options) == []
