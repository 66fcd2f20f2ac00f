"""What the screens of two dumps and of two runs share: the order of rows, and lines and tables that fit."""

import math

from gradclip_cli.render.screens.differences import Table, by_difference, listed
from gradclip_cli.render.screens.line import bad, text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.reports.diff import DiffParam


def row(name: str, rel_diff: float | None) -> DiffParam:
    """Return a row that differs so much."""
    return DiffParam(name, "differs", 3.0, 4.0, 4 / 3, 0.5, rel_diff=rel_diff)


def test_what_is_not_finite_comes_first() -> None:
    """Then numbers, the largest first, then what has none; equal rows keep their order."""
    values = {"a": 1.0, "none": None, "b": 2.0, "nan": math.nan, "c": 1.0, "inf": math.inf}
    assert [one.name for one in by_difference(row(*pair) for pair in values.items())] == [
        "nan",
        "inf",
        "b",
        "a",
        "c",
        "none",
    ]


def test_names_are_listed_as_far_as_they_fit() -> None:
    """What is left out is counted; names are shortened on a terminal only."""
    names = [f"model.layers.{k}.self_attention.projection.weight" for k in range(5)]
    assert listed(names[:2], 3, Room(whole=True), 10) == [f"{names[0]},", names[1]]
    found = listed(names, 3, Room(60), 10)
    assert found[-1].endswith(", and 2 more")
    assert all(len(name) < 50 for name in found)


def test_a_narrow_terminal_leaves_out_columns() -> None:
    """Norms go before the cosine; the ratio and the difference stay, and what is not finite is marked."""
    heads = []
    for width in (120, 64, 56, 45):
        table = Table(Room(width), "tensors")
        table.add("h" * 30, row("", math.nan))
        head, body = table.lines()
        heads.append(text_of(head).split()[1:])
        assert bad("nan") in body
    assert heads == [
        ["norm", "a", "norm", "b", "ratio", "cosine", "rel", "|a-b|"],
        ["norm", "a", "ratio", "cosine", "rel", "|a-b|"],
        ["ratio", "cosine", "rel", "|a-b|"],
        ["ratio", "rel", "|a-b|"],
    ]
