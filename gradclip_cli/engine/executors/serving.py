"""Work in a worker process: take a task, then batches of items, and send back their results, until the channel closes."""

import gc
import os
import pickle
import socket
import traceback
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.engine.executors import base, frames, progress
from gradclip_cli.engine.executors.sending import Sent, unpacked
from gradclip_cli.errors import GradclipError
from gradclip_cli.formats.hdf5.limits import settle


class Reply(NamedTuple):
    """What became of a batch: the results up to the first error, that error, and the bytes done by file."""

    results: list[Any]
    error: BaseException | None
    done: Mapping[str, int]


class SharedRoom:
    """Room for two large tasks in all worker processes together: a pipe that holds a byte for each that may begin."""

    def __init__(self, begin: int, end: int) -> None:
        self._begin, self._end = begin, end

    def __enter__(self) -> None:
        os.read(self._begin, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._end, b"+")


def serve(parent: int) -> None:
    """Serve the process at the other end of descriptor 0; end with process `parent`, or if 0 when the channel closes."""
    settle(parent)
    gc.freeze()  # collecting the objects of the parent would copy their pages, and could clean up what is the parent's
    channel = socket.socket(fileno=0)
    with suppress(OSError, EOFError):
        hello = frames.receive(channel)
        if hello is not None:
            base.share_room(SharedRoom(*hello.fds))
            frames.send_value(channel, os.getpid())
            with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
                _work(channel)


def _work(channel: socket.socket) -> None:
    """Take messages: a task in a frame of its own, after an announcement, or a list of items."""
    task: Any = None
    while True:
        message = frames.receive_value(channel)
        if isinstance(message, list):
            frames.send(channel, packed_reply(batch(task, message)))
            continue
        task = None  # close the files of the last task before those of the next are opened
        if message is None:
            continue
        task, error = _task(frames.receive(channel))
        frames.send_value(channel, error)


def _task(sent: Sent | None) -> tuple[Any, str | None]:
    """Return a task, or why there is none."""
    if sent is None:
        raise EOFError
    try:
        return unpacked(sent), None
    except Exception as error:  # noqa: BLE001 - such as a class of the caller's script, which a new Python does not know
        return None, f"{type(error).__name__}: {error}"


def batch(task: Any, items: list[Any]) -> Reply:
    """Return the results of some items, up to the first error."""
    results, failure = list[Any](), None
    try:
        results.extend(map(task, items))
    except Exception as error:  # noqa: BLE001 - it is raised in the caller
        if not isinstance(error, GradclipError):
            error.add_note("".join(["in a worker process:\n", *traceback.format_tb(error.__traceback__)]).rstrip())
        failure = error
    return Reply(results, failure, progress.taken())


def packed_reply(reply: Reply) -> Sent:
    """Pickle a reply; an error that cannot be pickled becomes one that says the same."""
    try:
        data = pickle.dumps(tuple(reply), pickle.HIGHEST_PROTOCOL)
        if reply.error is not None:
            pickle.loads(data)  # noqa: S301 - some errors pickle, but are not made again by what they give
    except Exception as error:  # noqa: BLE001 - whatever a class of errors does when it is pickled
        told = reply.error if reply.error is not None else error
        failure = RuntimeError(f"in a worker process: {type(told).__name__}: {told}")
        data = pickle.dumps(tuple(reply._replace(results=[], error=failure)), pickle.HIGHEST_PROTOCOL)
    return Sent(data, ())
