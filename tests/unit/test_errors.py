"""Errors are one printable line, and each has its exit code."""

import pytest

from gradclip_cli import errors
from gradclip_cli.errors import (
    ClosedPipeError,
    GradclipError,
    InputError,
    NonFiniteError,
    OutputError,
    UsageError,
    reason,
)


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


def test_no_text_of_an_error_has_a_secret() -> None:
    """What signs a URL, and a user with a password, is in no text of an error, whether it is printed or looked at."""
    error = UsageError("https://me:SECRET@h/g.npz?sig=SECRET names no server", path="https://me:SECRET@h?sig=SECRET")
    assert "SECRET" not in f"{error}{error!r}{error.args}{error.message}"
    assert error.message == "https://…@h/g.npz?… names no server"


def test_the_root_is_abstract() -> None:
    """The root has no exit code, so it is never raised itself."""
    assert not hasattr(GradclipError, "exit_code")
    with pytest.raises(TypeError, match="abstract"):
        GradclipError("is bad")


def test_a_closed_pipe_is_an_output_that_cannot_be_written() -> None:
    """Whoever catches errors of outputs catches this one, too."""
    assert issubclass(ClosedPipeError, OutputError)
    assert "ClosedPipeError" in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(2, "No such file or directory", "A.npz"), "no such file or directory"),
        (OSError("It is Cut Short"), "it is cut short"),
        (ValueError("embedded NUL"), "embedded NUL"),
    ],
    ids=["of the system", "of a library", "no error of the system"],
)
def test_what_the_system_says(error: OSError | ValueError, expected: str) -> None:
    """The reason is what the system says, without number and path."""
    assert reason(error) == expected
