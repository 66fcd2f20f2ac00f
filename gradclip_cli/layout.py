"""Column-major tensors read in row-major order, without ever holding one whole."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from math import prod
from typing import IO

import numpy as np

from gradclip_cli.buffers import borrow
from gradclip_cli.dtypes import Raw
from gradclip_cli.measure import Read
from gradclip_cli.tensors import PIECE_BYTES, TensorSpec

TURNED_BYTES = 8 * PIECE_BYTES
"""The size of a piece that is turned at once: the larger, the longer the runs that are read."""


class Turned:
    """A column-major tensor; one that is packed is first unpacked beside the output, since it has to be read crosswise."""

    def __init__(self, read: Read, spec: TensorSpec) -> None:
        self._read, self._spec = read, spec
        self._spool: IO[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Turned":
        if self._spec.offset is None:
            import tempfile

            self._spool = self._stack.enter_context(tempfile.TemporaryFile())
            step = PIECE_BYTES // self._spec.dtype.itemsize
            for start in range(0, self._spec.size, step):
                raw = borrow("turned", min(step, self._spec.size - start) * self._spec.dtype.itemsize, np.uint8)
                self._read(self._spec, start, raw)
                self._spool.write(raw.data)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the elements from `start` on in row-major order."""
        words = out.view(f"V{spec.dtype.itemsize}")
        for at, origin, axis, count in boxes(spec.shape, start, start + words.size):
            inner = spec.shape[axis + 1 :]
            target = words[at - start : at - start + count * prod(inner)].reshape(count, -1)
            stride = prod(spec.shape[:axis])
            most = max(1, TURNED_BYTES // (stride * spec.dtype.itemsize))
            steps = [prod(spec.shape[: axis + 1 + k]) for k in range(len(inner))]
            for column, index in enumerate(product(*(range(size) for size in inner))):
                first = origin + sum(i * step for i, step in zip(index, steps, strict=True))
                for row in range(0, count, most):
                    rows = min(most, count - row)
                    run = self._run(first + row * stride, (rows - 1) * stride + 1)
                    target[row : row + rows, column] = run[::stride]

    def _run(self, first: int, count: int) -> Raw:
        itemsize = self._spec.dtype.itemsize
        raw = borrow("run", count * itemsize, np.uint8)
        if self._spool is None:
            self._read(self._spec, first, raw)
        else:
            self._spool.seek(first * itemsize)
            raw[:] = np.frombuffer(self._spool.read(raw.size), np.uint8)
        return raw.view(f"V{itemsize}")


def boxes(shape: tuple[int, ...], start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut a row-major range into boxes that are whole in all axes after one.

    Yield where a box begins in row-major order, where in column-major order, its axis, and its extent along that axis.
    """
    while start < stop:
        for axis in range(len(shape)):
            inner = prod(shape[axis + 1 :])
            if start % inner == 0 and stop - start >= inner:
                break
        index = np.unravel_index(start, shape)
        origin = sum(int(i) * prod(shape[:k]) for k, i in enumerate(index))
        count = min(shape[axis] - int(index[axis]), (stop - start) // inner)
        yield start, origin, axis, count
        start += count * inner
