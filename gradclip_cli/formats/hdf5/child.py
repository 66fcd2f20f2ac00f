"""Run the HDF5 library, which a damaged file can kill, in a child process that answers requests within limits.

The child is forked if this process has one thread, which takes milliseconds. Otherwise a new Python is started, since a
forked child would wait for ever for locks that other threads hold. Either way the child runs one function of an importable
module, and nothing of the caller's script.
"""

import fcntl
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from typing import Any

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.hdf5.blocks import AHEAD, LONGEST
from gradclip_cli.formats.hdf5.blocks import NAME as BLOCK
from gradclip_cli.formats.hdf5.limits import Limits
from gradclip_cli.formats.hdf5.messages import Message, receive, send
from gradclip_cli.formats.sharing import Calls, calls
from gradclip_cli.storage.base import RandomAccess

_PATHS = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
_SPAWNED = "from {0} import serve; serve({1}, {2!r})"
_SERVING = "gradclip_cli.formats.hdf5.serving"
_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndedError(Exception):
    """The child has ended, or was stopped; the message says how. `begun` is how many parts of the request it had begun."""

    def __init__(self, how: str, begun: int = 0) -> None:
        super().__init__(how)
        self.begun = begun


_MOST_PARTS = 1 << 16
"""More parts than a request has, and the bytes that a pipe holds."""
_SERVICE = "gradclip_cli.formats.hdf5.answers:start"
"""The function that a child runs, as `module:function`."""


class Child:
    """A process that answers one request at a time with the function `service` (`module:function`)."""

    def __init__(self, service: str, forked: bool | None = None) -> None:
        self._channel, theirs = socket.socketpair()
        self._marks, marks = _pipe()
        self._owner, self._lock = os.getpid(), threading.Lock()
        self._forgotten: list[int] = []
        with theirs, marks:
            try:
                start = _fork if (can_fork() if forked is None else forked) else _spawn
                self.pid = start(theirs, marks.fileno(), service)
            except OSError as error:
                self._channel.close()
                self._marks.close()
                reason = (error.strerror or str(error)).lower()
                raise InputError(
                    f"cannot be read: no process for the HDF5 library can be started: {reason}; allow another process"
                ) from error

    def ask(
        self,
        request: str,
        arguments: list[Any],
        limits: Limits,
        message: Message,
        remote: RandomAccess | None = None,
    ) -> Message:
        """Return the answer to a request; raise the error that the child reports, or EndedError if it ended.

        Until then, read the `remote` file where the child asks for its bytes at an offset.
        """
        with self._lock:
            try:
                send(self._channel, message._replace(value=[request, arguments, *limits]))
                reply = receive(self._channel)
                while remote is not None and reply is not None and reply.value[0] in (BLOCK, AHEAD):
                    self._hand_over(remote, *reply.value)
                    reply = receive(self._channel)
            except OSError:
                reply = None
            except BaseException:  # the next answer would belong to this request
                self.stop()
                raise
            begun = 0 if self._marks.closed else len(self._marks.read(_MOST_PARTS) or b"")
            if reply is None:
                raise EndedError(self.stop(), begun)
        return _checked(reply, begun)

    def _hand_over(self, remote: RandomAccess, kind: str, where: list[Any]) -> None:
        """Send bytes of a remote file to the child, or fetch early what it will ask for."""
        if kind == AHEAD:
            remote.expect([(int(offset), max(0, min(int(count), LONGEST))) for offset, count in where], more=True)
            return
        offset, count = (max(0, int(number)) for number in where)
        send(self._channel, Message(None, remote.read(offset, min(count, LONGEST))))

    def forget(self, key: int) -> None:
        """Remember the number of a file that the child can close at the next request."""
        self._forgotten.append(key)

    def forgotten(self) -> list[int]:
        """Return the numbers of files to close, each once."""
        found, self._forgotten = self._forgotten, []
        return found

    @property
    def is_ours(self) -> bool:
        """Whether this process started the child, and has not stopped it."""
        return self.pid > 0 and self._owner == os.getpid()

    def stop(self) -> str:
        """End the child and wait until it is gone; return what ended it."""
        self._channel.close()
        self._marks.close()
        if not self.is_ours:
            return "it was left behind"
        pid, self.pid = self.pid, 0
        return _reaped(pid)


def can_fork() -> bool:
    """Return whether this process runs on Linux and has one thread, native threads included."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def new_python(code: str) -> list[str]:
    """Return the command line of a new Python that runs some code, and finds the modules that this one finds.

    It takes none from the folder that it is started in, as Python does by default: that may be anybody's.
    """
    own = (("-E", sys.flags.ignore_environment), ("-s", sys.flags.no_user_site), ("-S", sys.flags.no_site))
    flags = [flag for flag, is_set in own if is_set]
    paths = json.dumps(
        [path for path in sys.path if isinstance(path, str)]
    )  # Python itself passes over what is no text
    return [sys.executable, "-P", *flags, "-c", _PATHS + code, paths]


def _pipe() -> tuple[FileIO, FileIO]:
    """Return the ends of a pipe by which a child tells which part of a request it begins, so that one can be blamed.

    Unlike a socket, it holds every byte until this process asks for them, which is when the request is over. The end of the
    child has a number above those that the child itself uses.
    """
    ours, theirs = map(FileIO, os.pipe(), "rw")
    os.set_blocking(ours.fileno(), False)
    with theirs:
        return ours, FileIO(fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, 10), "w")


def _fork(theirs: socket.socket, marks: int, service: str) -> int:
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)  # a handler of the parent could run in the child
    try:
        pid = os.fork()
        if pid == 0:
            _live(theirs, marks, parent, service, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _live(theirs: socket.socket, marks: int, parent: int, service: str, mask: set[Any]) -> None:
    """Run as the child: close all that the parent has open, and serve; never return."""
    code = 1
    try:
        for number in _HELD_BACK:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.dup2(theirs.fileno(), 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (1, 2):  # discard what a dying library prints
            os.dup2(nothing, fd)
        os.dup2(marks, 3)
        os.closerange(4, 1 << 30)
        from gradclip_cli.formats.hdf5.serving import serve

        serve(parent, service)
        code = 0
    finally:
        os._exit(code)


def _spawn(theirs: socket.socket, marks: int, service: str) -> int:
    lasting = threading.current_thread() is threading.main_thread()
    code = _SPAWNED.format(_SERVING, os.getpid() if lasting else 0, service)
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), *nothing, (os.POSIX_SPAWN_DUP2, marks, 3)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return os.posix_spawn(sys.executable, new_python(code), environment, file_actions=actions)


def _reaped(pid: int) -> str:
    """Kill a process unless it has ended, and wait for it; return what ended it."""
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


def _checked(reply: Message, begun: int) -> Message:
    """Return an answer; raise the error if the child reports one."""
    kind, value = reply.value
    if kind == "done":
        return reply._replace(value=value)
    if kind == "memory":
        raise EndedError("the library wants more memory than there can be use for", begun)
    if kind == "bug":
        raise RuntimeError(f"in the child process:\n{value}")
    raise (OutputError if kind == "output" else InputError)(value[0], tensor=value[1])


class SharedChild:
    """The child that all HDF5 files of the running calls share; it starts on first use."""

    def __init__(self, calls: Calls, start: Callable[[], Child]) -> None:
        self._calls, self._start, self._lock = calls, start, threading.Lock()
        self._child: Child | None = None

    def get(self) -> Child:
        """Return the child; start one if there is none, or if the last one has ended."""
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
