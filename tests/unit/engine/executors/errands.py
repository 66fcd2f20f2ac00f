"""Tasks for worker processes, which must be able to import them."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.engine.executors.base import room
from gradclip_cli.engine.executors.progress import count
from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.storage.descriptor import Descriptor


def square(item: int) -> int:
    """Return the square of a number."""
    return item * item


def process(_: int) -> int:
    """Return the number of the process."""
    time.sleep(0.002)
    return os.getpid()


def length(item: Any) -> int:
    """Return the length of what was sent."""
    return len(item)


def zeros(item: int) -> Any:
    """Return many zeros."""
    return np.zeros(item)


def count_bytes(item: int) -> int:
    """Report some bytes of two files."""
    count(item, "a" if item % 2 else "b")
    return item


def fail_late(item: int) -> int:
    """Refuse two items, the first of them later than the second."""
    if item == 21:
        time.sleep(0.1)
        raise InputError("the first", path="a.npz", tensor="w")
    if item == 30:
        raise OutputError("the second")
    return item


def divide(item: int) -> float:
    """Divide by an item."""
    return 1 / item


class Divided:
    """Squares the numbers in lists."""

    def squares(self, item: list[int]) -> list[Any]:
        """Return the squares of some numbers."""
        return [square(number) for number in item]

    def lost(self, part: int, error: InputError) -> Any:
        """Return what workers died of, and why."""
        return part, str(error)


class OddError(Exception):
    """An error that no other process can make again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def odd(item: int) -> int:
    """Raise an error that cannot be sent."""
    raise OddError(item, item)


def unsendable(item: int) -> Any:
    """Return what cannot be sent."""
    return threading.Lock()


def die(item: int) -> int:
    """Die of one item."""
    if item == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def slow(item: int) -> int:
    """Take a while."""
    time.sleep(0.01)
    return item


def fds(_: int) -> list[str]:
    """Return what the process has open, but for the descriptor that looks."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0])
        except OSError:
            continue
    return found


class Noting(NamedTuple):
    """Writes to a file when it begins, and when it ends."""

    path: str

    def hold(self, item: int) -> int:
        """Hold much for a while."""
        with room(64 << 20):
            self._note("+")
            time.sleep(0.005)
            self._note("-")
        return item

    def note(self, item: int) -> int:
        """Say that an item is worked on."""
        self._note("+")
        time.sleep(0.01)
        return item

    def _note(self, sign: str) -> None:
        with Path(self.path).open("a", encoding="utf-8") as file:
            file.write(sign)


class Writing(NamedTuple):
    """Writes to an open file, and dies of one item."""

    file: Descriptor

    def write(self, item: int) -> int:
        """Write a byte at a position."""
        if item == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.pwrite(self.file.fd, b"x", item)


class Picky(NamedTuple):
    """Refuses to be unpickled."""

    work: Callable[[int], int] = square

    def do(self, item: int) -> int:
        """Do the work."""
        return self.work(item)

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise ModuleNotFoundError("No module named 'my_script'")


class Write(NamedTuple):
    """Writes an item, a byte, at its place."""

    file: Descriptor

    def write(self, item: int) -> None:
        """Write it."""
        os.pwrite(self.file.fd, bytes([item]), item)


class Refuse(NamedTuple):
    """Fails as a file does that is not there."""

    path: str

    def refuse(self, _: int) -> None:
        """Raise InputError."""
        raise InputError("no such file or directory", path=self.path)


class Foreseen:
    """Remembers what it was told to expect."""

    def __init__(self) -> None:
        self.expected: list[object] = []

    def expect(self, items: Sequence[object]) -> None:
        """Note what is done next."""
        self.expected = list(items)

    def task(self, _: object) -> list[object]:
        """Return what was expected."""
        return self.expected
