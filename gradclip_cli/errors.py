"""The errors that gradclip raises on purpose::

    GradclipError          the root: one line for a person, and an exit code
    ├── UsageError         2  the request contradicts itself or names what is not there
    ├── InputError         3  an input is missing, unreadable, or not what it claims to be
    │   └── LostWorkersError  workers of a cluster die while they have it
    ├── NonFiniteError     4  NaN or infinities among the gradients, refused
    └── OutputError        5  the output cannot be written
        └── ClosedPipeError   the reader of standard output has closed it, as `head` does

Any other exception is a bug, and keeps its traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from gradclip_cli.text import one_line, shown


class GradclipError(Exception):
    """An error that the user can fix; `str()` is one printable line: `FILE: TENSOR: what is wrong; what to do`.

    What may be secret in URLs is in no text of it, but in `path`, which is as it was given.

    Only its subclasses are raised: each has an exit code.
    """

    exit_code: ClassVar[int]
    advice: ClassVar[str] = ""
    """What to do where the message does not say it after a semicolon."""

    def __init__(self, message: str, *, path: str | None = None, tensor: str | None = None) -> None:
        if type(self) is GradclipError:
            raise TypeError("GradclipError is abstract; raise one of its subclasses")
        message = shown(message)
        super().__init__(message)
        self.message, self.path, self.tensor = message, path, tensor

    def __str__(self) -> str:
        where = [one_line(part, 400) for part in (self.path, self.tensor) if part is not None]
        line = ": ".join([*where, one_line(self.message, 600)])
        return line if "; " in self.message or not self.advice else f"{line}; {self.advice}"


class UsageError(GradclipError):
    """The request contradicts itself or names what is not there."""

    exit_code = 2


class InputError(GradclipError):
    """An input is missing, cannot be read, or is not what it claims to be."""

    exit_code = 3
    advice = "check the path, or save the file again"


class LostWorkersError(InputError):
    """Workers of a cluster die while they work on an input, or on what they have beside it."""


class NonFiniteError(GradclipError):
    """Gradients are NaN or infinite, and the policy is to refuse them."""

    exit_code = 4


class OutputError(GradclipError):
    """The output cannot be written."""

    exit_code = 5
    advice = "make room for it, or write it elsewhere"


class ClosedPipeError(OutputError):
    """The reader of standard output has closed it; the command line then ends without an error."""


@contextmanager
def located(path: str) -> Iterator[None]:
    """Name a file in errors of reading and writing that name none, such as those of a lost worker."""
    try:
        yield
    except (InputError, OutputError) as error:
        error.path = path if error.path is None else error.path
        raise


def reason(error: OSError | ValueError) -> str:
    """Return the reason that the system gives for an error, to be put into a message.

    >>> reason(FileNotFoundError(2, "No such file or directory", "g.npz"))
    'no such file or directory'
    """
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
