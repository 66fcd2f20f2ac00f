"""What plain numpy can do: norm, zeros and largest |x| of a safetensors file: `python reference.py FILE JOBS [threads]`.

It reads pieces of 512 Ki elements, by forked processes or by threads, and works through each in chunks that stay in the
cache. It sums as gradclip promises: pairwise sums of blocks of 8192 squares in float64, added exactly.
"""

import json
import math
import os
import pickle
import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PIECE, CHUNK, BLOCK = 512 << 10, 64 << 10, 8192
SIZES = {"F32": 4, "BF16": 2, "F16": 2}


class Piece(NamedTuple):
    """A part of a tensor: its dtype, and where its bytes lie in the file."""

    tensor: str
    dtype: str
    start: int
    nbytes: int


class Figures(NamedTuple):
    """What there is to know of a piece: the sum of squares of each block, and how many elements are zero."""

    tensor: str
    squares: list[float]
    zeros: int
    peak: float


def pieces(path: str) -> list[Piece]:
    """Cut the tensors of a file into pieces."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return [
        Piece(name, entry["dtype"], 8 + length + start, min(PIECE * SIZES[entry["dtype"]], end - start))
        for name, entry in header.items()
        for begin, end in [entry["data_offsets"]]
        for start in range(begin, end, PIECE * SIZES[entry["dtype"]])
    ]


class Worker:
    """One process or thread, with arrays of its own."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.raw = np.empty(PIECE * 4, np.uint8)
        self.wide, self.squares = np.empty(CHUNK), np.empty(CHUNK)
        self.short, self.words = np.empty(CHUNK, np.uint16), np.empty(CHUNK, np.uint32)

    def measure(self, piece: Piece) -> Figures:
        """Read a piece and take all figures of a chunk while it is in the cache."""
        raw = self.raw[: piece.nbytes]
        os.preadv(self.fd, [raw.data], piece.start)
        squares: list[float] = []
        zeros, peak, step = 0, 0.0, CHUNK * SIZES[piece.dtype]
        for start in range(0, piece.nbytes, step):
            bits = self.without_sign(raw[start : start + step], piece.dtype)
            wide = self.widened(bits, piece.dtype)
            zeros += bits.size - int(np.count_nonzero(bits))
            peak = max(peak, float(wide.max()))
            squares += self.blocks(wide)
        return Figures(piece.tensor, squares, zeros, peak)

    def without_sign(self, chunk: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
        """Return the bits of the elements but the sign, which no figure needs: -0 is zero, too."""
        whole = self.words if dtype == "F32" else self.short
        bits = whole[: chunk.size // whole.itemsize]
        np.bitwise_and(chunk.view(whole.dtype), whole.dtype.type((1 << (8 * whole.itemsize - 1)) - 1), out=bits)
        return bits

    def widened(self, bits: NDArray[Any], dtype: str) -> NDArray[np.float64]:
        """Return the elements as float64; those of float16 have to be finite.

        The bits of float16, shifted, are those of a float32 2**112 times as small. At 2.5 GB/s that is the fastest of what
        was tried: numpy's cast has 0.5 (a third of the elements subnormal), a table of all 65,536 values 1.7.
        """
        wide, words, narrow = self.wide[: bits.size], self.words[: bits.size], self.words[: bits.size].view(np.float32)
        if dtype != "F32":
            np.copyto(words, bits)
            np.left_shift(words, 16 if dtype == "BF16" else 13, out=words)
        if dtype == "F16":
            np.multiply(narrow, np.float32(2.0**112), out=narrow)
        np.copyto(wide, narrow)
        return wide

    def blocks(self, wide: NDArray[np.float64]) -> list[float]:
        """Return the sum of squares of each block, in the order that numpy's source fixes."""
        squares = self.squares[: wide.size]
        np.multiply(wide, wide, out=squares)
        whole = squares.size - squares.size % BLOCK
        sums: list[float] = np.add.reduce(squares[:whole].reshape(-1, BLOCK), axis=1).tolist()
        return [*sums, float(np.add.reduce(squares[whole:]))] if whole < squares.size else sums


def by_processes(path: str, jobs: int) -> Iterator[Figures]:
    """Share the pieces out among forked processes, which send what they found through a pipe."""
    work = pieces(path)
    children = []
    for job in range(jobs):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            worker = Worker(path)
            with os.fdopen(write, "wb") as pipe:
                pickle.dump([worker.measure(piece) for piece in work[job::jobs]], pipe)
            os._exit(0)
        os.close(write)
        children.append((child, read))
    for child, read in children:
        with os.fdopen(read, "rb") as pipe:
            yield from pickle.load(pipe)
        os.waitpid(child, 0)


def by_threads(path: str, jobs: int) -> Iterator[Figures]:
    """Share the pieces out among threads."""
    from concurrent.futures import ThreadPoolExecutor

    work = pieces(path)

    def share(job: int) -> list[Figures]:
        worker = Worker(path)
        return [worker.measure(piece) for piece in work[job::jobs]]

    with ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(share, range(jobs)):
            yield from found


def merged(figures: Iterator[Figures]) -> dict[str, Any]:
    """Add what was found, for each tensor and for the file, exactly."""
    found = list(figures)
    squares: dict[str, list[float]] = {}
    for one in found:
        squares.setdefault(one.tensor, []).extend(one.squares)
    return {
        "norm": math.sqrt(math.fsum(value for values in squares.values() for value in values)),
        "zeros": sum(one.zeros for one in found),
        "peak": max(one.peak for one in found),
        "norms": {tensor: math.sqrt(math.fsum(values)) for tensor, values in squares.items()},
    }


if __name__ == "__main__":
    by = by_threads if sys.argv[3:] == ["threads"] else by_processes
    print(json.dumps(merged(by(sys.argv[1], int(sys.argv[2])))))
