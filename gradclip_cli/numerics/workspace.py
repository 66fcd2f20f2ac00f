"""Arrays that a thread uses again and again, so that no piece pays for fresh memory."""

import threading
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
_local = threading.local()


def borrow(name: str, count: int, dtype: type[T]) -> NDArray[T]:
    """Return `count` elements of this thread's array `name`; they hold whatever was left there."""
    arrays: dict[str, NDArray[Any]] = _local.__dict__
    array = arrays.get(name)
    if array is None or array.size < count or array.dtype != dtype:
        array = arrays[name] = np.empty(count, dtype)
    return array[:count]


def scratch(count: int, dtype: type[T]) -> NDArray[T]:
    """Return `count` elements of at most 8 bytes in the memory that `widen` fills: they are good until it, or this, is called again.

    What is needed one after the other lies in one place, which then stays in the processor's cache.
    """
    return borrow("scratch", count, np.float64).view(dtype)[:count]
