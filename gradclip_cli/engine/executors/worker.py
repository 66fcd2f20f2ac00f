"""Start and end a worker process: forked where that is safe, which takes milliseconds, or else as a new Python.

A forked process would wait for ever for locks that other threads of this one hold. Either way it runs one function of an
importable module, and nothing of the caller's script.
"""

import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from gradclip_cli.engine.executors import frames
from gradclip_cli.engine.executors.sending import Sent
from gradclip_cli.engine.executors.serving import serve
from gradclip_cli.formats.hdf5.child import new_python

_SPAWNED = "from gradclip_cli.engine.executors.serving import serve; serve({})"
_PATIENCE = 60.0
"""Seconds for a worker to start; a new Python takes 0.2 on a machine that is not busy."""
_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Worker:
    """A process that works on batches of items, one after the other; raises OSError if it cannot be started.

    Start it with signals `held_back`.
    """

    def __init__(self, forked: bool) -> None:
        self.channel, theirs = frames.pair()
        self.batches: deque[int] = deque()  # the numbers of those that it has
        self._owner = os.getpid()
        with theirs:
            try:
                self.pid = (_fork if forked else _spawn)(theirs)
            except BaseException:
                self.channel.close()
                raise

    def answers(self, room: tuple[int, int]) -> bool:
        """Tell it by which pipe all workers share room for large tasks; end it, and return False, if it does not answer."""
        try:
            frames.send(self.channel, Sent(b"", room))
            self.channel.settimeout(_PATIENCE)
            frames.receive_value(self.channel)
            self.channel.settimeout(None)
        except (OSError, EOFError):
            self.stop()
            return False
        return True

    def kill(self) -> None:
        """End the process at once, without waiting until it is gone; may be called by a handler of a signal."""
        if self.pid > 0 and self._owner == os.getpid():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process, and wait until it is gone."""
        self.channel.close()
        self.kill()
        with suppress(ChildProcessError):  # somebody else has waited for it
            if self.pid > 0 and self._owner == os.getpid():
                os.waitpid(self.pid, 0)
        self.pid = 0

    def ended(self) -> str:
        """Wait for a process whose channel has closed, and say what ended it."""
        with suppress(ChildProcessError):
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.pid = 0
            return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return "has ended"


def can_spawn() -> bool:
    """Return whether a new Python can be started; a program that was frozen with Python inside would start itself again."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back signals that end the program: a worker is known before a handler runs, and runs none of this process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _fork(theirs: socket.socket) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(theirs, parent)
    return pid


def _live(theirs: socket.socket, parent: int) -> NoReturn:
    """Run as the worker: close all that the parent has open, and serve."""
    code = 1
    try:
        for number in _HELD_BACK:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        os.dup2(theirs.fileno(), 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (1, 2):
            os.dup2(nothing, fd)
        os.closerange(3, 1 << 30)
        serve(parent)
        code = 0
    finally:
        os._exit(code)


def _spawn(theirs: socket.socket) -> int:
    lasting = threading.current_thread() is threading.main_thread()  # on Linux, a child is told when the thread ends
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), *nothing]
    argv = new_python(_SPAWNED.format(os.getpid() if lasting else 0))
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return os.posix_spawn(sys.executable, argv, environment, file_actions=actions, setsigmask=[])
