"""Keep the blocks of a file that were read last: what describes its elements is read in many small pieces."""

import threading
from collections import OrderedDict
from concurrent.futures import Future

from gradclip_cli.storage.remote.kept import Kept, Room
from gradclip_cli.storage.remote.ranges import Parts, Ranges, taken

BLOCK, MOST = 128 << 10, 32
"""Bytes of a block, and how many are kept. Larger ones would save requests where what describes elements lies together, and
fetch as many bytes as there are elements where each tensor is described beside its own."""
_SPOT, _SPOTS = 32 << 10, 128
"""What lies around each place that was read is kept for longer: where each dataset describes itself beside its elements, a block
holds one such place, and whoever goes through them twice would have to fetch all blocks again."""


class Blocks:
    """The blocks of a file that were asked for, the oldest forgotten first; threads that want the same one wait for one request.

    Once a forgotten one is wanted again, what would be forgotten is kept on the disk: whoever goes back and forth in a large file
    fetches no more of it than twice its size, where its groups and datasets may lie in any order.
    """

    def __init__(self, ranges: Ranges) -> None:
        self._ranges, self._lock = ranges, threading.Lock()
        self._known, self._shelf = set[int](), Kept(Room(), ranges.meta.size)
        self._is_wanted_again = False
        self._of: OrderedDict[int, Future[Parts]] = OrderedDict()
        self._spots: OrderedDict[int, bytes] = OrderedDict()

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes `start` to `stop`, which lie in the file."""
        spots = range(start // _SPOT, (stop - 1) // _SPOT + 1)
        with self._lock:
            known = [self._spots.get(spot) for spot in spots] if len(spots) <= 2 else [None]
        if all(known):
            return b"".join(one for one in known if one)[start - spots[0] * _SPOT :][: stop - start]
        first, last = start // BLOCK, (stop - 1) // BLOCK
        found = [(number, self._block(number)) for number in range(first, last + 1)]  # all are asked for at once
        parts = [self._data(number, future) for number, future in found]
        if len(spots) <= 2:
            self._keep(first * BLOCK, parts, spots)
        ends = start - first * BLOCK, stop - last * BLOCK
        if first == last:
            return bytes(parts[0][ends[0] : ends[1]])
        return b"".join((parts[0][ends[0] :], *parts[1:-1], parts[-1][: ends[1]]))

    def _keep(self, begin: int, parts: list[memoryview], spots: range) -> None:
        """Keep what lies around a place that was read, from blocks that begin at `begin`."""
        for spot in spots:
            block, at = divmod(spot * _SPOT - begin, BLOCK)
            with self._lock:
                self._spots[spot] = bytes(parts[block][at : at + _SPOT])
                while len(self._spots) > _SPOTS:
                    self._spots.popitem(last=False)

    def clear(self) -> None:
        """Forget all blocks."""
        with self._lock:
            for future in self._of.values():
                future.cancel()
            self._of.clear()
            self._spots.clear()
            self._shelf.close()

    def _block(self, number: int) -> "Future[Parts]":
        with self._lock:
            future = self._of.pop(number, None)
            if future is None or future.cancelled():
                future = self._shelved(number) or self._begun(number)
            self._of[number] = future
            while len(self._of) > MOST:
                self._forget(*self._of.popitem(last=False))
            return future

    def _span(self, number: int) -> tuple[int, int]:
        return number * BLOCK, min((number + 1) * BLOCK, self._ranges.meta.size)

    def _shelved(self, number: int) -> "Future[Parts] | None":
        """Return a block that is kept on the disk, as if it was asked for."""
        data = self._shelf.read(*self._span(number))
        if data is None:
            return None
        found = Future[Parts]()
        found.set_result([memoryview(data)])
        return found

    def _begun(self, number: int) -> "Future[Parts]":
        self._is_wanted_again |= number in self._known
        self._known.add(number)
        return self._ranges.begin(*self._span(number), whole=True)

    def _forget(self, number: int, future: "Future[Parts]") -> None:
        if self._is_wanted_again and future.done() and not future.cancelled() and future.exception() is None:
            self._shelf.put(number * BLOCK, *future.result())

    def _data(self, number: int, future: "Future[Parts]") -> memoryview:
        """Wait for a block; one that failed is forgotten, so that the next who wants it asks again."""
        sound = False
        try:
            (data,) = taken(future)
            sound = True
            return data
        finally:
            if not sound:
                with self._lock:
                    if self._of.get(number) is future:
                        del self._of[number]
