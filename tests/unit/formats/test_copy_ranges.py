"""Ranges that are copied, less those that stand in the output already."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradclip_cli.formats.copy_ranges import Copy, subtract_ranges


@st.composite
def copies(draw: st.DrawFn) -> list[Copy]:
    """Make copies that ascend and do not overlap in the output, each moved by some bytes."""
    found, at = [], 0
    for gap, nbytes in draw(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), max_size=6)):
        at += gap
        found.append(Copy(at + draw(st.integers(0, 7)), at, nbytes))
        at += nbytes
    return found


ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))), max_size=6)


@given(copies(), ranges)
def test_what_is_left_is_every_byte_that_does_not_stand_there(
    given: list[Copy], written: list[tuple[int, int]]
) -> None:
    """Byte by byte: each position of the output is copied once, from its own source, if and only if it is not written."""
    there = {at for start, stop in written for at in range(start, stop)}
    wanted = {one.target + k: one.source + k for one in given for k in range(one.nbytes) if one.target + k not in there}
    left = list(subtract_ranges(given, written))
    found = [(one.target + k, one.source + k) for one in left for k in range(one.nbytes)]
    assert dict(found) == wanted
    assert len(found) == len(wanted)
    assert left == sorted(left, key=lambda one: one.target)


@pytest.mark.parametrize("number", [3, 200_000])
def test_many_ranges_take_one_pass(number: int) -> None:
    """One copy with many ranges written inside leaves one piece between each two of them."""
    written = [(2 * k + 1, 2 * k + 2) for k in range(number)]
    assert sum(1 for _ in subtract_ranges([Copy(0, 0, 2 * number)], written)) == number
