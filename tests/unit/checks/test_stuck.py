"""Tensors that are zero or stay the same are found, and what is nearly so is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.findings import Arrays, Seen, seen, series
from support.matrices import crossed

from unit.checks.made import SUFFIXES, steady

FOUND: dict[str, tuple[Sequence[Arrays], dict[str, Any], list[Seen]]] = {
    "all zeros": ([{"a.w": [0.0, -0.0], "b.w": [1.0]}], {}, [Seen("dead", 1, "a", "w")]),
    "half zeros": ([{"a.w": [0.0, 1.0]}], {"dead_share": 0.5}, [Seen("dead", 1, "a", "w")]),
    "the same": (steady(2, 1, 1, 1, 1), {}, [Seen("unchanged", 2, "fc", "w")]),
    "the same twice": (steady(1, 2, 2), {"unchanged_dumps": 2}, [Seen("unchanged", 2, "fc", "w")]),
    "nearly the same": (steady(1, 1 + 0.9e-5, 1), {}, [Seen("unchanged", 1, "fc", "w")]),
}

SILENT: dict[str, tuple[Sequence[Arrays], dict[str, Any]]] = {
    "one value is not 0": ([{"a.w": [0.0, 1e-3]}], {}),
    "0 at the first step": ([{"a.w": [0.0], "b.w": [1.0]}, {"a.w": [1.0], "b.w": [2.0]}], {}),
    "the same twice only": (steady(1, 1, 2, 2), {}),
    "not quite the same": (steady(1, 1 + 2.1e-5, 1), {}),
    "tiny noise": ([{"a.w": [k * 1e-9, 1e-9]} for k in (1, 2, 3)], {"ignore": ["vanishing"]}),
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


def test_tensors_are_matched_by_name(tmp_path: Path) -> None:
    """A tensor that some dumps lack is judged by those that have it, and is not unchanged across a gap."""
    dumps = [{"a.w": [1.0], "b.w": [float(k)]} if k != 3 else {"b.w": [3.0]} for k in range(1, 6)]
    assert seen(series(tmp_path, dumps)) == []
    dumps = [*dumps, {"a.w": [1.0], "b.w": [6.0]}]
    assert seen(series(tmp_path, dumps)) == [Seen("unchanged", 4, "a", "w")]
