"""Tensors that are zero or stay the same are found, and what is nearly so is not."""

from pathlib import Path

from support.findings import Seen, seen, series

from unit.checks.made import Found, Silent, judging_tests, steady

FOUND: Found = {
    "all zeros": ([{"a.w": [0.0, -0.0], "b.w": [1.0]}], {}, [Seen("dead", 1, "a", "w")]),
    "half zeros": ([{"a.w": [0.0, 1.0]}], {"dead_share": 0.5}, [Seen("dead", 1, "a", "w")]),
    "the same": (steady(2, 1, 1, 1, 1), {}, [Seen("unchanged", 2, "fc", "w")]),
    "the same twice": (steady(1, 2, 2), {"unchanged_dumps": 2}, [Seen("unchanged", 2, "fc", "w")]),
    "nearly the same": (steady(1, 1 + 0.9e-5, 1), {}, [Seen("unchanged", 1, "fc", "w")]),
}

SILENT: Silent = {
    "one value is not 0": ([{"a.w": [0.0, 1e-3]}], {}),
    "0 at the first step": ([{"a.w": [0.0], "b.w": [1.0]}, {"a.w": [1.0], "b.w": [2.0]}], {}),
    "the same twice only": (steady(1, 1, 2, 2), {}),
    "not quite the same": (steady(1, 1 + 2.1e-5, 1), {}),
    "tiny noise": ([{"a.w": [k * 1e-9, 1e-9]} for k in (1, 2, 3)], {"ignore": ["vanishing"]}),
}


test_found, test_silent = judging_tests(FOUND, SILENT)


def test_tensors_are_matched_by_name(tmp_path: Path) -> None:
    """A tensor that some dumps lack is judged by those that have it, and is not unchanged across a gap."""
    dumps = [{"a.w": [1.0], "b.w": [float(k)]} if k != 3 else {"b.w": [3.0]} for k in range(1, 6)]
    assert seen(series(tmp_path, dumps), allow_missing=True) == []
    dumps = [*dumps, {"a.w": [1.0], "b.w": [6.0]}]
    assert seen(series(tmp_path, dumps), allow_missing=True) == [Seen("unchanged", 4, "a", "w")]
