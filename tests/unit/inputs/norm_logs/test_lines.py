"""Lines that hold a word are found whatever the blocks are that they come in."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradclip_cli.inputs.norm_logs.lines import Lines

TEXT = b"a\nnorm 1\r\nx norm 2\rNORM 3\n\nlast one norm 4\nnothing\nnorm 5"


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    """Data in blocks."""
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", range(1, len(TEXT) + 1))
def test_blocks_of_any_size(size: int) -> None:
    """No line is lost, cut or found twice at the edge of a block; words are found in any case."""
    lines = Lines(blocks(TEXT, size), [b"norm"])
    assert list(lines) == [b"norm 1", b"x norm 2", b"NORM 3", b"last one norm 4", b"norm 5"]
    assert lines.count == 7


@given(st.lists(st.text("ab\r norm1", max_size=12).map(str.encode)), st.integers(1, 40))
def test_all_lines_with_a_word(parts: list[bytes], size: int) -> None:
    """What is found are the lines that hold a word, in order."""
    data = b"\n".join(parts)
    expected = [line for line in data.replace(b"\r", b"\n").split(b"\n") if b"norm" in line or b"ab" in line]
    assert list(Lines(blocks(data, size), [b"norm", b"ab"])) == expected


def test_long_lines_are_cut_at_spaces() -> None:
    """A line without an end is looked at in parts, none of which cuts a number or is longer than allowed."""
    data = b"norm 1.25 " * 2000
    found = list(Lines(blocks(data, 512), [b"norm"], 300))
    assert all(len(part) <= 300 for part in found)
    assert b"".join(found).count(b"norm 1.25") == 2000
