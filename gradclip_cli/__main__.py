"""The entry point: signals first, then the command line, then one line for whatever went wrong."""

import gc
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from gradclip_cli import signals
from gradclip_cli.text import one_line

if TYPE_CHECKING:
    import click

COMPLETING = "_GRADCLIP_COMPLETE"
"""The variable by which a shell asks for completion."""


def main() -> None:
    """Run `gradclip` and exit."""
    signals.install()
    _fill_standard_streams()
    # Threads of our own are enough; this has to be said before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(200_000, 100, 100)  # a header may hold a million entries, none of them in a cycle
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):
            stream.flush()
    os._exit(code)  # what is left to do is to take numpy apart, which takes 20 ms


def run() -> int:
    """Run a command and return its exit code."""
    import click

    from gradclip_cli.cli import main as commands
    from gradclip_cli.errors import GradclipError

    if COMPLETING in os.environ:
        _prepare_completion()
    try:
        return int(commands(prog_name="gradclip", complete_var=COMPLETING, standalone_mode=False) or 0)
    except click.ClickException as error:
        _explain(error)
        return error.exit_code
    except GradclipError as error:
        _complain(f"Error: {error}")
        return error.exit_code
    except OSError as error:
        if (
            error.filename is not None
        ):  # a file that no module of ours opened: one of Python's own, for want of descriptors
            _complain(f"Error: {one_line(str(error.filename), 400)}: {one_line(error.strerror or str(error)).lower()}")
            return 3
        _complain(f"Error: standard output: {one_line(error.strerror or str(error))}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 5


def _prepare_completion() -> None:
    """Let click know our shells, and write nothing into a line that is being typed."""
    from gradclip_cli.cli.shells import install

    install()
    if os.environ[COMPLETING].endswith("_complete"):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _explain(error: "click.ClickException") -> None:
    """Show what is wrong with the usage, in one line behind click's own."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help
        _complain(error.format_message())
        return
    if context is not None:
        _complain(context.get_usage())
        _complain(f"Try '{context.command_path} --help' for help.\n")
    _complain(f"Error: {one_line(error.format_message())}")


def _complain(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr)


def _fill_standard_streams() -> None:
    """Open what is closed of the three standard descriptors, so that no file of ours takes its place; escape what cannot be shown."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
