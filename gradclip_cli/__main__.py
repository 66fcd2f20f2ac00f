"""The entry point: install signal handlers, run the command line, and report any failure in one line."""

import gc
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from gradclip_cli.errors import ClosedPipeError, GradclipError, InputError, OutputError, reason
from gradclip_cli.storage import interrupts, stdio
from gradclip_cli.text import one_line

if TYPE_CHECKING:
    import click

COMPLETING = "_GRADCLIP_COMPLETE"
"""The environment variable that a shell sets to ask for completion."""


def main() -> None:
    """Run `gradclip` and exit."""
    interrupts.install()
    stdio.prepare_streams()
    # Threads of our own are enough; this has to be said before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Keep HDF5 from loading plugins, which are foreign code; it reads these variables when h5py is imported.
    os.environ["HDF5_PLUGIN_PRELOAD"], os.environ["HDF5_PLUGIN_PATH"] = "::", ""
    gc.set_threshold(2_000_000, 100, 100)  # a header may make a million objects, none of them in a cycle
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)  # skip the interpreter's shutdown: unloading numpy alone takes 20 ms


def run() -> int:
    """Run a command and return its exit code."""
    import click

    try:
        return _dispatch()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        _print_usage_error(error)
        return error.exit_code
    except (ClosedPipeError, BrokenPipeError):  # who reads standard output may leave, as `head` does
        stdio.discard(1)
        return 0
    except GradclipError as error:
        _print_error(error)
        return error.exit_code
    except OSError as error:
        failure = _as_gradclip_error(error)
        _print_error(failure)
        return failure.exit_code


def _dispatch() -> int:
    """Run the command line, or answer a shell that asks for completion."""
    from gradclip_cli.cli import main as commands

    if instruction := os.environ.get(COMPLETING):
        from gradclip_cli.cli.shells import answer

        answer(commands, COMPLETING, instruction)
        return 0
    with commands.make_context("gradclip", sys.argv[1:]) as context:
        return int(commands.invoke(context) or 0)


def _as_gradclip_error(error: OSError) -> GradclipError:
    """Convert an OSError that no module of gradclip has caught into one that names the file.

    The file is one that Python opens itself: a temporary file, a module when descriptors run out, or else standard output.
    """
    if error.filename is None:
        stdio.discard(1)
        return OutputError(reason(error), path="standard output")
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    if os.path.dirname(path) == getattr(sys.modules.get("tempfile"), "tempdir", None):
        return OutputError(f"{reason(error)}; name a roomier directory for temporary files in TMPDIR", path=path)
    return InputError(reason(error), path=path)


def _print_usage_error(error: "click.ClickException") -> None:
    """Print the usage, as click does, and then the error in one line."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the full help text
        print(error.format_message(), file=sys.stderr)
        return
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        print(f"Try '{context.command_path} --help' for help.\n", file=sys.stderr)
    _print_error(one_line(error.format_message()))


def _print_error(error: object) -> None:
    print(f"Error: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
