"""Say what a pass needs to know of executors: how to map a task over items, and how large tasks share the memory."""

import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

from gradclip_cli.numerics.workspace import Workspace

Item = TypeVar("Item")
Result = TypeVar("Result")
Several = Generator[Callable[[], Result], None, None]
"""What returns the result of each item, or raises its error."""

_LARGE = 16 << 20
_two: AbstractContextManager[object] = threading.Semaphore(2)
_free = nullcontext()


class Executor(Protocol):
    """Runs a task on many items in parallel: on threads here, on worker processes (`Processes`), or on a cluster."""

    @property
    def jobs(self) -> int:
        """How many items are processed at the same time."""

    @property
    def work(self) -> Workspace:
        """The buffers of the tasks: each thread has its own, and they are freed with the executor."""

    @property
    def far(self) -> bool:
        """Whether tasks run on other machines: then they also unpack what is packed, and copy what stays as it is."""

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield `task(item)` for each item, in the order of the items; raise what a task raises.

        `nbytes` says about how many bytes of elements it goes through; with 0, the task never leaves this process.
        """

    def leaves(self, nbytes: int) -> bool:
        """Return whether a map that goes through so many bytes would run in other processes."""

    def several(self, do: Callable[[Item], Result], items: Iterable[Item]) -> Several[Result]:
        """Yield for each item, in order, what returns `do(item)` or raises its error; call it before the next is taken.

        Each of them is a pass of its own with maps of its own, such as the measuring of a dump.
        """


@runtime_checkable
class Telling(Protocol):
    """An executor whose workers can be told something by their address."""

    def tell(self, message: Any, only: Collection[str] | None = None) -> Mapping[str, Any]:
        """Return what those workers, or all, answer at once, or the error of ours; without those that are lost."""


class OneByOne:
    """What executors of one machine have in common: all processors work on one dump."""

    far = False

    def several(self, do: Callable[[Item], Result], items: Iterable[Item]) -> Several[Result]:
        """Yield for each item what does it then."""
        return (partial(do, item) for item in items)


class Here(OneByOne):
    """Runs everything in the calling thread, as a task does with what it splits itself."""

    jobs = 1

    def __init__(self, work: Workspace) -> None:
        self.work = work

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield `task(item)` for each item."""
        return map(task, items)

    def leaves(self, nbytes: int) -> bool:
        """Return False: nothing does."""
        return False


def room(nbytes: int) -> AbstractContextManager[object]:
    """Let at most two tasks at a time hold `nbytes` bytes if that is much, so that memory does not grow with the processors."""
    return _two if nbytes > _LARGE else _free


def share_room(shared: AbstractContextManager[object]) -> None:
    """Let this process, which works for another one, take its room from what all such processes share."""
    global _two  # noqa: PLW0603 - a process has one room
    _two = shared
