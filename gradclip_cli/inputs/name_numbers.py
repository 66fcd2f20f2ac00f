"""Take names apart at their numbers, and find the numbers in which they differ."""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"(\d+)")


def apart(name: str) -> list[str]:
    """Return the texts of a name, which may be empty, and its numbers in turn: numbers are at the odd places.

    >>> apart("step_10.npz")
    ['step_', '10', '.npz']
    """
    return _NUMBER.split(name)


def varying(names: Sequence[Sequence[str]]) -> list[int]:
    """Return the places of the numbers in which names that were taken apart differ; none if their texts differ, too.

    >>> varying([apart("s1_m01"), apart("s1_m2")]), varying([apart("a1"), apart("a01")]), varying([apart("a1"), apart("b2")])
    ([3], [], [])
    """
    if len({(len(parts), *parts[::2]) for parts in names}) != 1:
        return []
    return [k for k in range(1, len(names[0]), 2) if len({parts[k].lstrip("0") for parts in names}) > 1]


def differ_in_one(names: Sequence[Sequence[str]]) -> bool:
    """Whether names that were taken apart differ in one number, and in nothing else."""
    return len(varying(names)) == 1
