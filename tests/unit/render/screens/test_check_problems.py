"""Findings that say the same of neighbouring blocks are one problem."""

from collections.abc import Sequence
from typing import Any

from gradclip_cli.render.screens.check_problems import WHOLE, problems
from gradclip_cli.reports.check import Finding


def finding(block: str | None, **fields: Any) -> Finding:
    """Return a finding on the tensor `w` of a block in all of ten dumps, of a value of 0.1 where the limit is 1."""
    values = {
        "rule": "vanishing",
        "input": "x",
        "step": 0,
        "layer": block,
        "param": "w" if block else None,
        "value": 0.1,
        "limit": 1.0,
        "message": "",
        "block": block,
        "dumps": 10,
        "steps": [(0, 9)],
        "worst": 0.1,
        "brief": "mean |g| 0.1",
        "index": None,
        "slice": None,
        "cause": "",
        "advice": "",
    }
    return Finding(**{**values, **fields})


def labels(blocks: Sequence[str | None]) -> list[str]:
    """Return what the problems are called that some blocks make."""
    return [one.label for one in problems([finding(block) for block in blocks])]


def test_numbers_in_succession_are_one() -> None:
    """Blocks that are numbered in succession are joined by the last number of their names, in whatever order they come."""
    assert labels(["h.10", "h.0", "h.2", "h.1", "h.9"]) == ["h.0-2", "h.9-10"]
    assert labels(["e.0.ff", "e.1.ff", "e.1.attn"]) == ["e.0-1.ff", "e.1.attn"]
    assert labels(["block_07", "block_08"]) == ["block_07-08"]
    assert labels([f"h.{k}" for k in range(300)]) == ["h.0-299"]


def test_other_names_stay() -> None:
    """Names without a number, of any script, stay as they are; what has no block is the whole dump."""
    assert labels(["head", "lstm", "层.0", "层.1", None]) == ["head", "lstm", WHOLE, "层.0-1"]
    assert labels(["a\nb"]) == ["a\\nb"]


def test_rules_and_sides_stay_apart() -> None:
    """Findings of two rules, or above and below their limits, are never one problem; rules stay in order, then steps count."""
    found = [
        finding("h.0", rule="dead", step=5),
        finding("h.2", rule="dead", step=3),
        finding("h.0", rule="spread"),
        finding("h.1", rule="spread", worst=3.0),
    ]
    assert [(one.rule, one.label) for one in problems(found)] == [
        ("dead", "h.2"),
        ("dead", "h.0"),
        ("spread", "h.0"),
        ("spread", "h.1"),
    ]


def test_the_worst_is_told() -> None:
    """A problem tells the value that is farthest from its limit, and says that others are less so."""
    one = problems([finding("h.0"), finding("h.1", worst=0.01, brief="mean |g| 0.01"), finding("h.2", worst=0.5)])[0]
    assert one.what == "at worst mean |g| 0.01"
    assert problems([finding("h.0"), finding("h.1")])[0].what == "mean |g| 0.1"
    assert problems([finding("h.0", layer="h.0.mlp")])[0].what == "mlp.w: mean |g| 0.1"


def test_layers_are_told_where_no_tensors_are() -> None:
    """Tensors are counted, or else layers; where tensors are found, findings on layers say the same again."""
    both = [finding("h.0"), finding("h.0", param=None, worst=1e-9, dumps=3)]
    [one] = problems(both)
    assert (one.tensors, one.what, one.when(10)) == ("1 tensor", "w: mean |g| 0.1", "always")
    assert problems(both[1:])[0].tensors == "1 layer"
    assert problems([finding(None)])[0].tensors == ""


def test_steps() -> None:
    """The steps are listed as ranges, or else the first of them and how many dumps there are."""
    two = [finding("h.0", dumps=2, steps=[(3, 4)]), finding("h.1", dumps=1, steps=[(7, 7)])]
    assert problems(two)[0].when(10) == "steps 3-4, 7"
    assert problems(two[1:])[0].when(10) == "step 7"
    assert problems([finding("h.0")])[0].when(10) == "always"
    assert problems([finding("h.0", dumps=1)])[0].when(1) == ""
    many = [finding("h.0", dumps=6, steps=[(10 * k, 10 * k) for k in range(6)])]
    assert problems(many)[0].when(60) == "from step 0, 6 of 60 dumps"
    assert (
        problems([*many, finding("h.1", dumps=1, steps=[(55, 55)])])[0].when(60) == "from step 0, up to 6 of 60 dumps"
    )
    assert problems([finding("h.0", dumps=3, steps=[])])[0].when(10) == "3 of 10 dumps"
