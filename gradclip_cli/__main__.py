"""The entry point: signals first, then the command line, then one line for whatever went wrong."""

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
"""The variable by which a shell asks for completion."""


def main() -> None:
    """Run `gradclip` and exit."""
    interrupts.install()
    stdio.prepare_streams()
    # Threads of our own are enough; this has to be said before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # HDF5 loads no library from where its plugins lie: this is said before h5py is imported, anywhere in this process.
    os.environ["HDF5_PLUGIN_PRELOAD"], os.environ["HDF5_PLUGIN_PATH"] = "::", ""
    gc.set_threshold(2_000_000, 100, 100)  # a header may hold a million entries, none of them in a cycle
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)  # what is left to do is to take numpy apart, which takes 20 ms


def run() -> int:
    """Run a command and return its exit code."""
    import click

    try:
        return _commanded()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        _explain(error)
        return error.exit_code
    except (ClosedPipeError, BrokenPipeError):  # who reads standard output may leave, as `head` does
        stdio.discard(1)
        return 0
    except GradclipError as error:
        _complain(error)
        return error.exit_code
    except OSError as error:
        failure = _told(error)
        _complain(failure)
        return failure.exit_code


def _commanded() -> int:
    """Do what the command line says, or answer a shell that completes one."""
    from gradclip_cli.cli import main as commands

    if instruction := os.environ.get(COMPLETING):
        from gradclip_cli.cli.shells import answer

        answer(commands, COMPLETING, instruction)
        return 0
    with commands.make_context("gradclip", sys.argv[1:]) as context:
        return int(commands.invoke(context) or 0)


def _told(error: OSError) -> GradclipError:
    """Name what failed where no module of ours did.

    It is a file that Python itself opens, a temporary one or, for want of descriptors, a module; or else standard output.
    """
    if error.filename is None:
        stdio.discard(1)
        return OutputError(reason(error), path="standard output")
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    if os.path.dirname(path) == getattr(sys.modules.get("tempfile"), "tempdir", None):
        return OutputError(f"{reason(error)}; name a roomier directory for temporary files in TMPDIR", path=path)
    return InputError(reason(error), path=path)


def _explain(error: "click.ClickException") -> None:
    """Show what is wrong with the usage, in one line behind click's own."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help
        print(error.format_message(), file=sys.stderr)
        return
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        print(f"Try '{context.command_path} --help' for help.\n", file=sys.stderr)
    _complain(one_line(error.format_message()))


def _complain(error: object) -> None:
    print(f"Error: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
