"""Make the scripts of a page in a process of its own while a run is read.

They take a second of a processor, in which vl-convert lets no other thread of Python go on, and no signal be heard.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gradclip_cli.formats.hdf5.child import new_python
from gradclip_cli.render.html.drawing import BUNDLE, scripts
from gradclip_cli.storage.interrupts import cleanups, deferred

Scripts = Callable[[], str]
"""Returns the scripts of a page, and waits for them where that is needed."""

_CODE = f"import vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle({BUNDLE!r}).encode())"


@contextmanager
def bundling() -> Iterator[Scripts]:
    """Yield what returns the scripts of a page; they are made meanwhile if another Python can be started."""
    with deferred():
        process = _started()
        if process is not None:
            cleanups.append(process.kill)
    if process is None:
        yield scripts
        return
    with process:
        try:
            yield lambda: _of(process)
        finally:
            process.kill()
            cleanups.remove(process.kill)


def _started() -> "subprocess.Popen[bytes] | None":
    if not sys.executable or getattr(sys, "frozen", False):  # a program with Python inside would start itself again
        return None
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen(new_python(_CODE), stdin=nothing, stdout=subprocess.PIPE, stderr=nothing)  # noqa: S603
    except OSError:  # no memory, or too many processes
        return None


def _of(process: "subprocess.Popen[bytes]") -> str:
    """Return what a process wrote; where it was stopped or failed, the scripts are made here."""
    found, _ = process.communicate()
    return scripts() if process.returncode else found.decode()
