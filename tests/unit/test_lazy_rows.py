"""Rows are made when they are looked at, and are otherwise like a list."""

import copy
import pickle

from gradclip_cli.lazy_rows import LazyRows


def test_rows_are_made_when_they_are_looked_at() -> None:
    """Nothing is made for a length, and one row for one row."""
    seen: list[int] = []

    def make(number: int) -> int:
        seen.append(number)
        return number * number

    rows = LazyRows(make, range(1_000_000))
    assert (len(rows), seen) == (1_000_000, [])
    assert (rows[-1], seen) == (999_999**2, [999_999])
    assert rows[2:4] == [4, 9]


def test_rows_are_equal_to_the_same_rows() -> None:
    """Rows are compared by what they are, with other rows and with lists."""
    rows = LazyRows(str, [1, 2])
    assert rows == ["1", "2"] == rows
    assert rows == LazyRows(str, [1, 2])
    assert rows != LazyRows(str, [1, 3])
    assert repr(rows) == "['1', '2']"


def test_rows_are_pickled_and_copied() -> None:
    """Another process is given the rows, whatever they are made by."""
    rows = LazyRows(lambda number: number * number, range(3))
    assert pickle.loads(pickle.dumps(rows)) == [0, 1, 4] == copy.deepcopy(rows)
