"""A line is split as bash splits it, and what comes back is read by bash as it is."""

import shlex

import pytest
from click import Command
from hypothesis import given
from hypothesis import strategies as st

from gradclip_cli.cli.shells import SHELLS, Typed, answer, quoted, typed
from gradclip_cli.errors import UsageError

BREAKS = "=:"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Typed([], "", "", 0)),
        ("ls ", Typed(["ls"], "", "", 0)),
        ("ls a", Typed(["ls"], "a", "", 0)),
        (r"ls my\ fi", Typed(["ls"], "my fi", "", 0)),
        ("ls 'my fi", Typed(["ls"], "my fi", "'", 0)),
        ('ls "my $x fi', Typed(["ls"], "my $x fi", '"', 0)),
        (r'ls "a\"b\c', Typed(["ls"], r'a"b\c', '"', 0)),
        ("ls '' x", Typed(["ls", ""], "x", "", 0)),
        ("apply --layer=lstm:cl", Typed(["apply"], "--layer=lstm:cl", "", 13)),
        ("apply 'a=b", Typed(["apply"], "a=b", "'", 0)),
        ("apply x='a=b", Typed(["apply"], "x=a=b", "'", 2)),
    ],
)
def test_a_line_as_far_as_the_cursor(line: str, expected: Typed) -> None:
    """Quotes and backslashes are undone; what bash keeps ends at the last break outside of quotes, or where quotes open."""
    assert typed(line, BREAKS) == expected


words = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])), max_size=4)


@given(words)
def test_whole_words_come_back(given: list[str]) -> None:
    """However words are quoted for a shell, they are those that were meant."""
    line = " ".join(map(shlex.quote, given)) + " "
    assert (typed(line, BREAKS).words, typed(line, BREAKS).word) == (given, "")


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1),
    st.sampled_from(["", "'"]),
)
def test_what_is_offered_is_one_word(text: str, quote: str) -> None:
    """A name with blanks, quotes or `$` is read back as it is, behind an open quote or none."""
    assert shlex.split(f"{quote}{quoted(text, quote)}{quote}") == [text]


def test_no_shell_reads_its_history() -> None:
    """Within double quotes a `!` is taken out of them."""
    assert quoted("a!b$c", '"') == 'a"\\!"b\\$c'


@pytest.mark.parametrize("asked", ["csh_source", "bash_nonsense", "x"])
def test_what_no_shell_asks(asked: str) -> None:
    """A shell that is not known is wrong usage, with those that are."""
    with pytest.raises(UsageError, match=", ".join(f"{name}_source" for name in SHELLS)):
        answer(Command("gradclip"), "_GRADCLIP_COMPLETE", asked)
