"""Tensors that lead a dump, and layers worlds apart, are found; what is at a limit is not."""

from support.findings import Seen

from unit.checks.made import Found, Silent, judging_tests

FOUND: Found = {
    "one tensor leads": ([{"a.w": [100.0], "b.w": [1.0]}], {}, [Seen("dominated", 1, "a", "w")]),
    "more than half": ([{"a.w": [1.1], "b.w": [1.0]}], {"dominated_share": 0.5}, [Seen("dominated", 1, "a", "w")]),
    "worlds apart": (
        [{"a.w": [1e3], "b.w": [0.9e-3]}],
        {"ignore": ["dominated", "vanishing"]},
        [Seen("spread", 1, None, None)],
    ),
}

SILENT: Silent = {
    "a weight and its bias": ([{"a.w": [1000.0], "a.b": [1.0]}], {}),
    "one tensor alone": ([{"a.w": [1000.0]}], {}),
    "less than 99.9 %": ([{"a.w": [31.0], "b.w": [1.0]}], {}),
    "spread at the limit": ([{"a.w": [1e3], "b.w": [1e-3]}], {"ignore": ["dominated"]}),
}


test_found, test_silent = judging_tests(FOUND, SILENT)
