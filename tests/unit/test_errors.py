"""Errors are one printable line, and each has its exit code."""

import pytest

from gradclip_cli import errors
from gradclip_cli.errors import GradclipError, InputError, NonFiniteError, OutputError, UsageError


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (InputError, 3), (NonFiniteError, 4), (OutputError, 5)])
def test_each_error_has_its_exit_code(kind: type[GradclipError], code: int) -> None:
    """Scripts can tell errors apart by their exit codes, and all have one root."""
    assert issubclass(kind, GradclipError)
    assert kind("x").exit_code == code


@pytest.mark.parametrize("kind", [UsageError, InputError, NonFiniteError, OutputError])
def test_the_tree_in_the_docstring_is_whole(kind: type[GradclipError]) -> None:
    """The docstring of the module draws every error with its exit code."""
    (line,) = (line for line in (errors.__doc__ or "").splitlines() if kind.__name__ in line)
    assert str(kind.exit_code) in line.split()


@pytest.mark.parametrize(
    ("path", "tensor", "expected"),
    [
        (None, None, "is bad"),
        ("f.npz", None, "f.npz: is bad"),
        ("f.npz", "w", "f.npz: w: is bad"),
        (None, "w", "w: is bad"),
    ],
)
def test_a_message_says_where(path: str | None, tensor: str | None, expected: str) -> None:
    """File and tensor stand before what is wrong, where they are known."""
    assert str(UsageError("is bad", path=path, tensor=tensor)) == expected


@pytest.mark.parametrize("kind", [InputError, OutputError])
def test_a_message_says_what_to_do(kind: type[GradclipError]) -> None:
    """What to do stands behind a semicolon: as the message says, or else as is usual for its kind."""
    assert str(kind("is bad", path="a; b")) == f"a; b: is bad; {kind.advice}"
    assert str(kind("is bad; mend it", path="f")) == "f: is bad; mend it"


def test_a_message_is_one_short_line() -> None:
    """Whatever a file's names and texts hold, the message is one printable line of at most 1,500 bytes."""
    text = str(InputError("a\nb\x1b[2J" * 999, path="/dir\n/" + "层" * 999, tensor="\udcff" * 999))
    assert text.isprintable()
    assert len(text.encode()) < 1500
