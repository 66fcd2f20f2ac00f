"""Hold outputs that are sent to a store, and not yet seen there, beside a worker of a cluster, until its client decides.

A process of its own holds them. It outlives a worker that is killed, just long enough to drop what the worker had sent: parts
that are left behind cost money. It also drops what no client has asked after for `LEASE` seconds.
"""

import math
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from gradclip_cli.engine.executors import frames
from gradclip_cli.engine.executors.sending import Sent
from gradclip_cli.errors import GradclipError, InputError, OutputError, UsageError, reason
from gradclip_cli.formats.hdf5.child import new_python
from gradclip_cli.storage import interrupts
from gradclip_cli.storage.base import Upload
from gradclip_cli.storage.locations import remote_store
from gradclip_cli.storage.remote.settings import Settings, current, using

LEASE = 60.0
"""Seconds after which an output is dropped that its client has not asked after."""
_LOOK, _DROPPED_AT_ONCE = 0.5, 8
_SERVE = "from gradclip_cli.engine.executors.held_uploads import serve; serve()"

Token = tuple[str, int]
"""The run of a client, and the number of an output there."""


class Hold(NamedTuple):
    """Send the file that comes along, of so many bytes, and hold it; what is held by the same token is dropped."""

    token: Token
    location: str
    overwrite: bool
    nbytes: int
    asking: Settings
    lease: float


class Keep(NamedTuple):
    """Hold outputs for another lease; the answer is the set of those that are held."""

    tokens: frozenset[Token]


class Show(NamedTuple):
    """Make an output visible; the answer is whether it was held until now."""

    token: Token


class Drop(NamedTuple):
    """Drop all outputs of a run, those being sent, too; the answer lists those of which the store may have kept parts."""

    run: str


Message = Keep | Show | Drop
"""What a client says to workers; each answers at once, whatever its threads are busy with."""

_dropped: set[str] = set()
"""The runs that this worker knows to be over: what is still written for them is not sent."""


def hold(token: Token, location: str, overwrite: bool, fd: int, nbytes: int) -> None:
    """Send the file behind a descriptor from a worker, and have it held; raise OutputErrors with its location."""
    if token[0] in _dropped:
        raise OutputError("is not wanted any more; run again", path=location)
    try:
        _holder.ask(Hold(token, location, overwrite, nbytes, current().public, LEASE), fd, starts=True)
    except (InputError, UsageError) as error:  # such as no credentials, or no obstore
        place = current().place
        what = error.message if place in error.message else f"{error.message} (on {place})"
        raise OutputError(what, path=error.path or location) from error
    except (OSError, EOFError) as error:
        what = f"what sends it on {current().place} was killed; give workers more memory, or look at their logs"
        raise OutputError(what, path=location) from error


def answer(message: Message) -> Any:
    """Answer a client, in its worker: an error of ours is an answer."""
    if isinstance(message, Drop):
        _dropped.add(message.run)
    try:
        return _holder.ask(message)
    except GradclipError as error:
        return error
    except (OSError, EOFError):
        return frozenset() if isinstance(message, Keep) else False


class _Holder:
    """The process that holds what this one has sent; it is started when there is something to send, and ends with this one."""

    def __init__(self) -> None:
        self._lock, self._owner, self._pid = threading.Lock(), 0, 0
        self._channel: socket.socket | None = None

    def ask(self, message: Message | Hold, fd: int = -1, *, starts: bool = False) -> Any:
        """Return the answer, or raise the error that is one. Raises EOFError or OSError if there is no process, or it ends."""
        own, theirs = frames.pair()
        with own:
            with theirs, self._lock:
                if starts:
                    self._start()
                if self._channel is None or self._owner != os.getpid():
                    raise EOFError
                fds = [theirs.fileno()] + ([fd] if fd >= 0 else [])
                frames.send(self._channel, Sent(pickle.dumps(message, pickle.HIGHEST_PROTOCOL), fds))
            found, *errors = frames.receive_value(own)
        if errors:
            raise errors[0]
        return found

    def _start(self) -> None:
        """Start the process, unless it runs; in a group of its own, so that signals for the worker's do not end it first."""
        with suppress(ChildProcessError):  # somebody else has waited for it
            if self._owner == os.getpid() and os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                return
        self._channel, theirs = frames.pair()
        nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)]
        actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), *nothing]
        with theirs:
            told: Any = {"file_actions": actions, "setpgroup": 0, "setsigmask": []}
            self._pid = os.posix_spawn(
                sys.executable, new_python(_SERVE), {**os.environ, "OPENBLAS_NUM_THREADS": "1"}, **told
            )
        self._owner = os.getpid()


_holder = _Holder()


def serve() -> None:
    """Be the process that holds outputs for the one at the other end of descriptor 0, until that ends."""
    interrupts.install()
    channel, held = socket.socket(fileno=0), HeldOutputs()
    threading.Thread(target=_expire, args=[held], daemon=True).start()
    threads = list[threading.Thread]()
    while (sent := frames.receive(channel)) is not None:
        threads = [one for one in threads if one.is_alive()]
        threads.append(threading.Thread(target=_serve, args=(held, sent), daemon=True))
        threads[-1].start()
    held.drop()
    for thread in threads:
        thread.join()
    held.drop()  # what has begun to be sent meanwhile


def _expire(held: "HeldOutputs") -> None:
    while True:
        time.sleep(_LOOK)
        held.drop_expired()


def _serve(held: "HeldOutputs", sent: Sent) -> None:
    """Answer one message, at the descriptor that came along with it."""
    channel, fds = socket.socket(fileno=sent.fds[0]), sent.fds[1:]
    found, failure = None, list[Exception]()
    try:
        found = held.answer(pickle.loads(sent.data), *fds)  # noqa: S301 - both sides are this program
    except Exception as error:  # noqa: BLE001 - it is raised in the worker
        ours = isinstance(error, GradclipError)
        failure.append(error if ours else RuntimeError(f"{type(error).__name__}: {error}"))
    finally:
        for fd in fds:
            os.close(fd)
    with channel, suppress(OSError):
        frames.send_value(channel, (found, *failure))


class _Held:
    """An output that is held `until` a time, which is infinity while it is being sent."""

    def __init__(self, upload: Upload, order: Hold) -> None:
        self.upload, self.order, self.until = upload, order, math.inf

    def extend(self) -> None:
        self.until = time.monotonic() + self.order.lease


class HeldOutputs:
    """The outputs that are held."""

    def __init__(self) -> None:
        self._of, self._lock = dict[Token, _Held](), threading.Lock()
        self._over = set[str]()  # runs: what was asked for before they were dropped may be heard of after that

    def answer(self, message: Message | Hold, fd: int = -1) -> Any:
        """Do what a message says."""
        if isinstance(message, Hold):
            return self._hold(message, fd)
        if isinstance(message, Keep):
            return self._keep(message.tokens)
        if isinstance(message, Show):
            return self._show(message.token)
        self._over.add(message.run)
        return self.drop(lambda one: one.order.token[0] == message.run)

    def drop(self, which: Callable[[_Held], bool] = bool) -> list[str]:
        """Drop outputs, all by default; wait for the store, and return the locations of those that it may have kept parts of."""
        with self._lock:
            found = [self._of.pop(token) for token, one in list(self._of.items()) if which(one)]
        with ThreadPoolExecutor(_DROPPED_AT_ONCE) as pool:
            left = list(pool.map(lambda one: one.upload.abort(), found))
        return [one.order.location for one, is_left in zip(found, left, strict=True) if is_left]

    def drop_expired(self) -> None:
        """Drop what no client has asked after."""
        self.drop(lambda one: one.until < time.monotonic())

    def _hold(self, order: Hold, fd: int) -> None:
        if (store := remote_store(order.location)) is None:
            raise ValueError(order.location)
        with using(order.asking):
            held, sound = _Held(store.upload(order.location, order.overwrite), order), False
            self.drop(lambda one: one.order.token == order.token)
            with self._lock:
                if order.token[0] not in self._over:
                    self._of[order.token] = held
            try:
                if self._of.get(order.token) is held:
                    held.upload.send(fd, order.nbytes)
                    held.extend()
                    sound = self._of.get(order.token) is held
            except OSError as error:
                raise OutputError(reason(error), path=order.location) from error
            finally:
                if not sound:
                    self.drop(lambda one: one is held)
                    held.upload.abort()
        if not sound:
            raise OutputError("is not wanted any more; run again", path=order.location)

    def _keep(self, tokens: frozenset[Token]) -> frozenset[Token]:
        with self._lock:
            found = [token for token in tokens & self._of.keys() if self._of[token].until < math.inf]
            for token in found:
                self._of[token].extend()
        return frozenset(found)

    def _show(self, token: Token) -> bool:
        with self._lock:
            held = self._of.pop(token) if token in self._of and self._of[token].until < math.inf else None
        if held is None:
            return False
        with using(held.order.asking):
            try:
                held.upload.commit()
            finally:
                held.upload.abort()
        return True
