"""Read column-major tensors in row-major order, without holding a whole one in memory."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from math import prod
from typing import IO

import numpy as np

from gradclip_cli import tensors
from gradclip_cli.engine.reading import Read
from gradclip_cli.errors import OutputError, reason
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.streams import temporary_file
from gradclip_cli.tensors import TensorSpec

TURNED_BYTES = 8 * tensors.PIECE_BYTES
"""The bytes that are reordered at once: the more, the longer the runs that are read."""


_MOST_ROWS = 4096
"""A tensor with at most so many rows (and more columns) is reordered into a temporary file, some columns at a time."""


class RowMajorReader:
    """Reads a column-major tensor of the file at `path` in row-major order; an encoded or wide one through a temporary file.

    An encoded tensor can only be read in its own order; a wide one, with few rows, would be read in very many short runs.
    """

    def __init__(self, read: Read, spec: TensorSpec, work: Workspace, path: str | None = None) -> None:
        self._read, self._spec, self._work, self._path = read, spec, work, path
        self._spool: IO[bytes] | None = None
        self._rows = prod(spec.shape[:-1])
        self._wide = 1 < self._rows <= min(_MOST_ROWS, spec.shape[-1] - 1) if spec.shape else False
        self._stack = ExitStack()

    def __enter__(self) -> "RowMajorReader":
        if self._wide or self._spec.offset is None:
            with self._kept():
                self._spool = self._stack.enter_context(temporary_file())
                self._fill(self._spool)
        return self

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Turn errors of the temporary file into OutputError with the tensor's name: it has no name of its own."""
        try:
            yield
        except OSError as error:
            message = f"cannot be kept in a temporary file: {reason(error)}; name a roomier directory in TMPDIR"
            raise OutputError(message, path=self._path, tensor=self._spec.name) from error

    def _fill(self, spool: IO[bytes]) -> None:
        itemsize = self._spec.dtype.itemsize
        step = TURNED_BYTES // itemsize // self._rows * self._rows if self._wide else tensors.PIECE_BYTES // itemsize
        for start in range(0, self._spec.size, step):
            raw = self._work.columns.take(min(step, self._spec.size - start) * itemsize, np.uint8)
            self._read(self._spec, start, raw)
            if self._wide:
                self._turn(spool, start // self._rows, raw)
            else:
                spool.write(raw.data)
        spool.flush()

    def _turn(self, spool: IO[bytes], column: int, raw: Raw) -> None:
        """Write whole columns from `column` on to their places in the rows of the temporary file."""
        *rows, width = self._spec.shape
        itemsize = self._spec.dtype.itemsize
        columns = raw.view(f"V{itemsize}").reshape(-1, *reversed(rows))
        turned = np.ascontiguousarray(columns.T).reshape(self._rows, -1)
        for row, part in enumerate(turned):
            spool.seek((row * width + column) * itemsize)
            spool.write(part.data)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the elements from `start` on, counted in row-major order."""
        if self._wide and self._spool is not None:
            self._spool.seek(start * spec.dtype.itemsize)
            out[:] = np.frombuffer(self._spool.read(out.size), np.uint8)
            return
        words = out.view(f"V{spec.dtype.itemsize}")
        for at, origin, axis, count in row_major_boxes(spec.shape, start, start + words.size):
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
        raw = self._work.run.take(count * itemsize, np.uint8)
        if self._spool is None:
            self._read(self._spec, first, raw)
        else:
            self._spool.seek(first * itemsize)
            raw[:] = np.frombuffer(self._spool.read(raw.size), np.uint8)
        return raw.view(f"V{itemsize}")


def row_major_boxes(shape: tuple[int, ...], start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Split a row-major range of elements into boxes; each spans all axes after one axis, and part of that axis.

    Yield the start of a box in row-major order, its start in column-major order, the axis, and the extent along that axis.
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
