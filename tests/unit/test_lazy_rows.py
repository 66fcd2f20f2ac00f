"""Rows are made when they are looked at, and are otherwise like a list."""

import copy
import pickle

import numpy as np

from gradclip_cli.lazy_rows import Coded, LazyRows, Zipped, each


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


def test_a_column_of_few_values() -> None:
    """A value is that of its code; slices and arrays of rows give columns."""
    column = Coded(["a", "b"], np.array([0, 1, 1], np.int32))
    assert (len(column), list(column), column[-1], list(column[1:]), column[np.int64(1)]) == (
        3,
        ["a", "b", "b"],
        "b",
        ["b", "b"],
        "b",
    )
    assert list(column[np.array([2, 0])]) == ["b", "a"]
    assert each(column, str.upper) == each(list(column), str.upper) == ["A", "B", "B"]


def test_columns_are_rows() -> None:
    """Columns of one length are a sequence of tuples."""
    rows = Zipped(["a", "b", "c"], range(3))
    assert (len(rows), list(rows), rows[1], rows[1:]) == (
        3,
        [("a", 0), ("b", 1), ("c", 2)],
        ("b", 1),
        [("b", 1), ("c", 2)],
    )
