"""Groups of indices in arrays are the lists that they stand for."""

import numpy as np
import pytest

from gradclip_cli.numerics.groups import Groups, NamedGroups, firsts_of, groups_of


def test_groups_are_a_sequence_of_lists() -> None:
    """They have a length, each group by index, also from the end, and all one after the other."""
    lists = [[4, 2], [7], [1, 3, 5]]
    groups = Groups.of(lists)
    assert (len(groups), list(groups), groups[0], groups[-1], groups[1:]) == (3, lists, [4, 2], [1, 3, 5], lists[1:])
    assert groups.firsts.tolist() == [4, 7, 1]
    assert not groups.are_single
    assert list(Groups.of([range(3)])) == [[0, 1, 2]]
    assert Groups.of_one_each(np.array([5, 6])).are_single
    assert list(Groups.of([])) == []
    with pytest.raises(IndexError):
        groups[3]


def test_names_of_groups() -> None:
    """Names give their groups, however many are asked for; others raise KeyError, and order is kept."""
    plain = {f"n{k}": [k] for k in range(20)}
    named = NamedGroups(list(plain), Groups.of(list(plain.values())))
    with pytest.raises(KeyError):
        named["x"]
    assert {name: named[name] for name in plain} == plain == dict(named.items()) == dict(named)
    assert list(named.values()) == list(plain.values()) == list(groups_of(named)) == groups_of(plain)
    assert ("n3" in named, "x" in named, len(named), named.get("x")) == (True, False, 20, None)
    assert firsts_of(named).tolist() == firsts_of(plain).tolist() == list(range(20))
    with pytest.raises(KeyError):
        named["x"]


def test_groups_know_what_is_asked_of_all_dumps() -> None:
    """Whether indices follow each other, which groups are large, and groups of groups."""
    groups = Groups.of([[4], [5, 6], [7, 8, 9]])
    assert groups.as_range == range(4, 10)
    assert Groups.of([[4], [6]]).as_range is Groups.of([[5], [4]]).as_range is None
    assert Groups.of([]).as_range == range(0)
    assert groups.of_more_than_two == [(2, 3, 6)]
    assert list(groups.joined(np.array([0, 2, 3]))) == [[4, 5, 6], [7, 8, 9]]
