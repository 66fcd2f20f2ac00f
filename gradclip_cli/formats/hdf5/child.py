"""Run a library that a damaged file can kill in a child process, which answers requests within limits.

The child is forked where this process has one thread, which takes milliseconds; else a fresh Python is started, since what
other threads hold at that moment would be held for ever. It is one function of an importable module either way: nothing of
the caller's script runs in it.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.hdf5.limits import Limits
from gradclip_cli.formats.hdf5.messages import Message, receive, send
from gradclip_cli.formats.sharing import Calls, calls

_SPAWNED = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {0} import serve; serve({1}, {2!r})"
_SERVING = "gradclip_cli.formats.hdf5.serving"
_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndedError(Exception):
    """The child has ended, or did not keep to the rules; says how."""


_SERVICE = "gradclip_cli.formats.hdf5.answers:start"
"""What a child runs, as module and function."""


class Child:
    """A process that answers requests by `service` (`module:function`), one at a time."""

    def __init__(self, service: str, forked: bool | None = None) -> None:
        self._channel, theirs = socket.socketpair()
        self._owner, self._lock = os.getpid(), threading.Lock()
        self._forgotten: list[int] = []
        with theirs:
            try:
                start = _fork if (can_fork() if forked is None else forked) else _spawn
                self.pid = start(theirs, service)
            except OSError as error:
                self._channel.close()
                reason = (error.strerror or str(error)).lower()
                raise InputError(
                    f"cannot be read: no process for the HDF5 library can be started: {reason}; allow another process"
                ) from error

    def ask(self, request: str, arguments: list[Any], limits: Limits, message: Message) -> Message:
        """Return the answer to a request; raise the error that the child met, or EndedError."""
        with self._lock:
            try:
                send(self._channel, message._replace(value=[request, arguments, *limits]))
                reply = receive(self._channel)
            except OSError:
                reply = None
            except BaseException:  # the next answer would be that to this request
                self.stop()
                raise
            if reply is None:
                raise EndedError(self.stop())
        return _checked(reply)

    def forget(self, key: int) -> None:
        """Remember what the child has no more need of, until the next request tells it."""
        self._forgotten.append(key)

    def forgotten(self) -> list[int]:
        """Return what the child has no more need of, once."""
        found, self._forgotten = self._forgotten, []
        return found

    @property
    def is_ours(self) -> bool:
        """Whether this process started it, and it is there still."""
        return self.pid > 0 and self._owner == os.getpid()

    def stop(self) -> str:
        """End the process and wait until it is gone; return what ended it."""
        self._channel.close()
        if not self.is_ours:
            return "it was left behind"
        pid, self.pid = self.pid, 0
        return _reaped(pid)


def can_fork() -> bool:
    """Whether this process has one thread, also beside Python's, on a system where a fork of it can go on."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _fork(theirs: socket.socket, service: str) -> int:
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)  # a handler of the parent's would run in the child
    try:
        pid = os.fork()
        if pid == 0:
            _live(theirs, parent, service, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _live(theirs: socket.socket, parent: int, service: str, mask: set[Any]) -> None:
    """Be the child: let go of all that the parent has open, and serve; never returns."""
    code = 1
    try:
        for number in _HELD_BACK:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.dup2(theirs.fileno(), 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (1, 2):  # what a dying library has to say is no line of ours
            os.dup2(nothing, fd)
        os.closerange(3, 1 << 30)
        from gradclip_cli.formats.hdf5.serving import serve

        serve(parent, service)
        code = 0
    finally:
        os._exit(code)


def _spawn(theirs: socket.socket, service: str) -> int:
    lasting = threading.current_thread() is threading.main_thread()
    code = _SPAWNED.format(_SERVING, os.getpid() if lasting else 0, service)
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), *nothing]
    argv = [sys.executable, "-c", code, json.dumps(sys.path)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return os.posix_spawn(sys.executable, argv, environment, file_actions=actions)


def _reaped(pid: int) -> str:
    """Wait for a process that is ending, or end it; say what ended it."""
    with suppress(ChildProcessError, ProcessLookupError):
        found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        return _told(os.waitstatus_to_exitcode(status))
    return "it ended"


def _told(code: int) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "the library does not come to an end"
    return f"the library died: {signal.Signals(-code).name}" if code < 0 else f"the library ended with {code}"


def _checked(reply: Message) -> Message:
    """Return an answer; raise what went wrong instead."""
    kind, value = reply.value
    if kind == "done":
        return reply._replace(value=value)
    if kind == "memory":
        raise EndedError("the library wants more memory than there can be use for")
    if kind == "bug":
        raise RuntimeError(f"in the child process:\n{value}")
    raise (OutputError if kind == "output" else InputError)(value[0], tensor=value[1])


class SharedChild:
    """The child that all HDF5 files of the calls under way share; it starts when the first of them asks something."""

    def __init__(self, calls: Calls, start: Callable[[], Child]) -> None:
        self._calls, self._start, self._lock = calls, start, threading.Lock()
        self._child: Child | None = None

    def get(self) -> Child:
        """Return the child, a new one where there is none, or the last one has ended."""
        with self._lock:
            if self._child is None or not self._child.is_ours:
                if self._child is None:
                    self._calls.at_the_end(self._stop)
                self._child = self._start()
            return self._child

    def _stop(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.stop()


shared = SharedChild(calls, lambda: Child(_SERVICE))
