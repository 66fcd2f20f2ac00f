"""The entry point: signals first, then the command line, then one line for whatever went wrong."""

import gc
import os
import signal
import sys
from types import FrameType

from gradclip_cli.atomic import discard_unfinished

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run `gradclip` and exit."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    _fill_standard_streams()
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # our own threads are enough; must be set before numpy is imported
    gc.set_threshold(200_000, 100, 100)  # a header may hold a million entries, none of them in a cycle
    sys.exit(_run())


def _run() -> int:
    """Run a command and return its exit code."""
    import click

    from gradclip_cli.cli import main as commands
    from gradclip_cli.errors import GradclipError
    from gradclip_cli.text import one_line

    try:
        return int(commands(standalone_mode=False) or 0)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        if context is not None:
            _complain(context.get_usage())
            _complain(f"Try '{context.command_path} --help' for help.\n")
        _complain(f"Error: {one_line(error.format_message())}")
        return error.exit_code
    except GradclipError as error:
        _complain(f"Error: {error}")
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the flush at exit has nowhere to go
        return 0
    except OSError as error:
        if error.filename is not None:
            raise
        _complain(f"Error: standard output: {one_line(error.strerror or str(error))}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 5


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


def _end(number: int, frame: FrameType | None) -> None:
    """Leave no half-written file behind, and end as if the signal had not been caught."""
    discard_unfinished()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
