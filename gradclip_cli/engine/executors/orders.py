"""Do a batch of work on a machine of a cluster: what the client sends, and what a worker answers."""

import os
import pickle
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gradclip_cli.engine.executors import serving
from gradclip_cli.engine.executors.canary import Identity, identity
from gradclip_cli.engine.executors.progress import taken
from gradclip_cli.engine.executors.serving import Reply
from gradclip_cli.engine.executors.shared_files import outputs_of_a_task
from gradclip_cli.errors import GradclipError, InputError, UsageError
from gradclip_cli.formats.sharing import calls
from gradclip_cli.storage.locations import is_remote
from gradclip_cli.storage.remote.settings import Settings, using
from gradclip_cli.storage.seen_from import place_of, seen_from


class _Here(threading.local):
    """The worker whose order this thread does."""

    address = ""


_here = _Here()


@contextmanager
def _as(address: str) -> Iterator[None]:
    before, _here.address = _here.address, address
    try:
        yield
    finally:
        _here.address = before


def this_worker() -> str:
    """Return the address of the worker whose order this thread does; empty in the client."""
    return _here.address


class Order(NamedTuple):
    """A pickled task and some of its items, for the client that works in `folder`, is `identity`, and asks for remote files so."""

    identity: Identity
    folder: str
    asking: Settings
    task: bytes
    items: bytes


@runtime_checkable
class Foreseeing(Protocol):
    """A task that can say what it will read."""

    def expect(self, items: Sequence[Any]) -> None:
        """Note the items that are done next, in this order."""


@runtime_checkable
class Divisible(Protocol):
    """A task whose items are lists of parts; it returns a list of what it finds of each, or one list for some of them and then more."""

    def lost(self, part: Any, error: InputError) -> Any:
        """Return what is found of a part that workers die of."""


class Answer(NamedTuple):
    """A packed `Reply`, or why a worker cannot work for the client; `unseen` is an input that is not there for the worker."""

    worker: str
    reply: bytes = b""
    refusal: str = ""
    unseen: str | None = None


def answered(order: Order, worker: str) -> Answer:
    """Do what an order says, on the worker of that address."""
    refusal = order.identity.refusal(identity(tuple(p for p, _ in order.identity.sums)))
    if refusal is not None:
        return Answer(worker, refusal=refusal)
    _stay()
    asking = using(order.asking._replace(place=f"worker {worker}"))
    with (
        _as(worker),
        asking,
        seen_from(order.folder),
        np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
    ):
        reply = _done(order)
        if isinstance(
            reply.error, UsageError
        ):  # of the environment here: the client has checked its own, and all options
            advice = "" if "; " in reply.error.message else "; look at its environment"
            reply = reply._replace(error=InputError(f"{reply.error.message} (on worker {worker}){advice}"))
        unseen = getattr(reply.error, "path", None)
        if unseen is not None and (is_remote(unseen) or os.path.exists(place_of(unseen))):
            unseen = None
    return Answer(worker, serving.packed_reply(reply).data, unseen=unseen)


def foreseen(task: object, items: Sequence[object]) -> None:
    """Say what will be read of remote files, so that it is fetched ahead."""
    owner = getattr(task, "__self__", None)
    if isinstance(owner, Foreseeing):
        owner.expect(items)


def divided(task: object, order: Order) -> Iterator[tuple[Order, Any]]:
    """Yield an order for each part of the items, with that part; of a task that is not divisible, the order itself and None."""
    if not isinstance(getattr(task, "__self__", None), Divisible):
        yield order, None
        return
    for item in pickle.loads(order.items):  # noqa: S301 - this process has pickled them
        for part in item:
            yield order._replace(items=pickle.dumps([[part]], pickle.HIGHEST_PROTOCOL)), part


def lost(task: Any, part: Any, error: InputError) -> Answer:
    """Return what a worker would answer that does not die of a part; raise the error if the task is not divisible."""
    if part is None:
        raise error
    return Answer("", serving.packed_reply(Reply([[task.__self__.lost(part, error)]], None, {})).data)


@cache
def _stay() -> None:
    """Keep what the files of all orders share, such as the child process of HDF5, as long as the worker lives."""
    calls.join()


def _done(order: Order) -> Reply:
    """Return the results; what was written has reached the file system."""
    try:
        with outputs_of_a_task():
            task, items = pickle.loads(order.task), pickle.loads(order.items)  # noqa: S301 - they come from the scheduler's client
            foreseen(task, items)
            return serving.batch(task, items)
    except GradclipError as error:
        return Reply([], error, taken())
