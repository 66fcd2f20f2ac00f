"""Fetch ahead what a reader has said that it will read, and no more than a few megabytes of it at a time."""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import chain

from gradclip_cli.storage.remote.ranges import PART, Parts, Ranges, copy, cut, taken
from gradclip_cli.storage.remote.settings import current

_GAP = 32 << 10
"""Bytes that are rather fetched and dropped than left out by a request of their own."""


class _Ahead:
    """A range that will be read; `left` bytes of it will be, and have not been yet."""

    __slots__ = ("future", "left", "order", "start", "stop", "wanted")

    def __init__(self, order: int, start: int, stop: int, wanted: int) -> None:
        self.order, self.start, self.stop, self.left = order, start, stop, wanted
        self.future: Future[Parts] | None = None
        self.wanted = False  # somebody waits for it, or has it


class _Room:
    """The bytes that all files together may hold ahead of their readers."""

    def __init__(self) -> None:
        self._lock, self._held = threading.Lock(), 0

    def take(self, nbytes: int) -> bool:
        """Take room for a range, if there is any."""
        with self._lock:
            if self._held and self._held + nbytes > current().connections * PART:
                return False
            self._held += nbytes
            return True

    def give(self, nbytes: int) -> None:
        """Give room back."""
        with self._lock:
            self._held -= nbytes


_room = _Room()


class Window:
    """The ranges of a file that are expected; those in front are fetched, in their order, and dropped when they have been read."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges, self._lock = ranges, threading.Lock()
        self._of: list[_Ahead] = []  # by their start
        self._starts: list[int] = []
        self._next: Iterator[_Ahead] = iter(())
        self._waiting: _Ahead | None = None
        self._flying: dict[int, _Ahead] = {}
        self._reached = self._count = 0

    def expect(self, ranges: Sequence[tuple[int, int]], size: int) -> None:
        """Replace what is expected by ranges of offset and bytes, in the order in which they will be read."""
        with self._lock:
            spans = cut_spans(((start, min(start + nbytes, size)) for start, nbytes in ranges if 0 <= start < size))
            found = [_Ahead(order, *span) for order, span in enumerate(spans)]
            self._take_over(found)
            self._next, self._waiting = iter(found), None
            self._count = len(found)
            self._keep(found)
            self._fill()

    def expect_also(self, ranges: Sequence[tuple[int, int]], size: int) -> None:
        """Expect more ranges, after all others."""
        with self._lock:
            spans = cut_spans(((start, min(start + nbytes, size)) for start, nbytes in ranges if 0 <= start < size))
            found = [_Ahead(self._count + k, *span) for k, span in enumerate(spans)]
            self._count += len(found)
            self._next = chain(self._next, found)
            self._keep([*(one for one in self._of if one.left > 0), *found])
            self._fill()

    def _keep(self, found: Iterable[_Ahead]) -> None:
        self._of = sorted(found, key=lambda one: one.start)
        self._starts = [one.start for one in self._of]

    def _take_over(self, found: list[_Ahead]) -> None:
        """Keep the requests for ranges that are expected again; drop the others."""
        flying = list(self._flying.values())
        before = {(one.start, one.stop): one for one in flying}
        for one in found:
            same = before.pop((one.start, one.stop), None)
            if same is not None:
                one.future, one.wanted = same.future, same.wanted
                flying.remove(same)  # its room is that of the new one
        self._drop(flying)
        kept = [one for one in found if one.future is not None]
        self._flying, self._reached = {one.order: one for one in kept}, 0

    def parts(self, start: int, stop: int) -> list[tuple[int, int, "Future[Parts]", int]]:
        """Return which requests bring bytes `start` to `stop`, all begun: begin and end, the request, and where that begins."""
        found, missing = [], list[tuple[int, int]]()
        with self._lock:
            at = start
            while at < stop:
                one = self._at(at)
                if one is not None:
                    end = min(stop, one.stop)
                    found.append((at, end, self._begun(one), one.start))
                    self._read(one, end - at)
                else:
                    end = min(stop, self._next_start(at, stop))
                    missing.append((at, end))
                at = end
            self._fill()
        for begin, end in missing:
            found += [(*part, self._ranges.begin(*part), part[0]) for part in cut(begin, end)]
        return sorted(found, key=lambda part: part[0])

    def holds(self, start: int, stop: int) -> bool:
        """Whether a range is expected from its first to its last byte."""
        with self._lock:
            at = start
            while at < stop and (one := self._at(at)) is not None:
                at = one.stop
            return at >= stop

    def clear(self) -> None:
        """Expect nothing any more."""
        self.expect((), 0)

    def _at(self, at: int) -> _Ahead | None:
        k = bisect_right(self._starts, at) - 1
        one = self._of[k] if k >= 0 else None
        return one if one is not None and at < one.stop and one.left > 0 else None

    def _next_start(self, at: int, stop: int) -> int:
        """Return where the next range begins that is expected and not yet read."""
        for k in range(bisect_right(self._starts, at), len(self._of)):
            if self._starts[k] >= stop:
                break
            if self._of[k].left > 0:
                return self._starts[k]
        return stop

    def _begun(self, one: _Ahead) -> "Future[Parts]":
        if one.future is None or one.future.cancelled():
            one.future = self._ranges.begin(one.start, one.stop)
        return one.future

    def _read(self, one: _Ahead, nbytes: int) -> None:
        """Count what is read of a range; drop it when that was all, and those that should have been read long before."""
        one.left, one.wanted, self._reached = one.left - nbytes, True, one.order
        if one.left <= 0:
            self._drop([one])

    def _drop_late(self) -> None:
        """Make room by dropping what should have been read long before what was read last."""
        late = self._reached - 2 * current().connections
        self._drop([one for one in self._flying.values() if one.order < late])

    def _drop(self, done: Iterable[_Ahead]) -> None:
        for one in done:
            if not one.wanted and one.future is not None:
                one.future.cancel()
            one.future, one.left = None, 0
            if self._flying.pop(one.order, None) is not None:
                _room.give(one.stop - one.start)

    def _fill(self) -> None:
        """Begin requests as long as there is room."""
        while (one := self._waiting or next(self._next, None)) is not None:
            self._waiting = None
            if one.left <= 0 or one.order in self._flying:
                continue
            if not _room.take(one.stop - one.start):
                self._drop_late()
                if not _room.take(one.stop - one.start):
                    self._waiting = one
                    return
            self._flying[one.order] = one
            self._begun(one)


def cut_spans(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Join spans that follow each other closely, and cut them into parts for one request each: begin, end, and bytes of spans.

    >>> list(cut_spans([(0, 10), (15, 30), (1 << 20, (1 << 20) + 5)]))
    [(0, 30, 25), (1048576, 1048581, 5)]
    """
    begin = end = wanted = 0
    for start, stop in spans:
        if end == 0 or not 0 <= start - end <= _GAP:
            if wanted:
                yield begin, end, wanted
            begin, wanted = start, 0
        while stop - begin > PART:
            wanted += max(0, begin + PART - max(start, begin))
            yield begin, begin + PART, wanted
            begin, wanted = begin + PART, 0
        wanted, end = wanted + stop - max(start, begin), stop
    if wanted:
        yield begin, end, wanted


def copied(parts: Iterable[tuple[int, int, "Future[Parts]", int]], start: int, out: memoryview) -> None:
    """Copy the answers to requests into `out`, which begins at byte `start`."""
    for begin, end, future, first in parts:
        copy(taken(future), begin - first, out[begin - start : end - start])
