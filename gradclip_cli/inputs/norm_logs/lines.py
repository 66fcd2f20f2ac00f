"""Find the lines of a log that hold a word, at the speed at which bytes can be searched; other lines are never looked at."""

from collections.abc import Iterable, Iterator, Sequence

LONGEST = 1 << 18
"""Longer lines are cut at a space or comma: one without any end must not fill the memory."""


class Lines:
    """The lines of a log that hold any of some words, in lower case, whatever their case in the log; `count` counts all lines.

    A line ends at a line feed, or at a carriage return, behind which a bar of progress writes its next state.
    """

    def __init__(self, blocks: Iterable[bytes], words: Sequence[bytes]) -> None:
        self._blocks, self._words = blocks, words
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines, without their ends."""
        kept = b""
        for block in self._blocks:
            data = kept + block if kept else block
            end = _last_end(data)
            yield from self._in(data[:end] if end < len(data) else data)
            kept = data[end:]
        if kept:
            self.count += not kept.endswith(b"\n")
            yield from self._in(kept)

    def _in(self, data: bytes) -> Iterator[bytes]:
        self.count += data.count(b"\n")
        returns = b"\r" in data
        folded, done = data.lower(), 0
        for at in self._hits(folded):
            if at < done:
                continue
            start, stop = data.rfind(b"\n", done, at) + 1, data.find(b"\n", at)
            stop = len(data) if stop < 0 else stop
            if returns:
                start = max(start, data.rfind(b"\r", done, at) + 1)
                turn = data.find(b"\r", at, stop)
                stop = stop if turn < 0 else turn
            start = max(start, done)
            if stop - start > LONGEST:
                start = max(start, _space_before(data, at - LONGEST // 2, start))
                if stop - start > LONGEST:
                    stop = _space_before(data, start + LONGEST, at + LONGEST // 4)
            done = stop
            yield data[start:stop]

    def _hits(self, data: bytes) -> Iterator[int]:
        """Yield where any of the words is, in order."""
        if len(self._words) == 1:
            (word,) = self._words
            at = data.find(word)
            while at >= 0:
                yield at
                at = data.find(word, at + 1)
            return
        places = {word: at for word in self._words if (at := data.find(word)) >= 0}
        while places:
            word = min(places, key=places.__getitem__)
            yield places[word]
            at = data.find(word, places[word] + 1)
            if at < 0:
                del places[word]
            else:
                places[word] = at


def _last_end(data: bytes) -> int:
    """Return where the last line of a block begins, which the next block goes on with."""
    end = data.rfind(b"\n") + 1
    if len(data) - end > LONGEST:  # no line of text, but perhaps a bar of progress
        end = max(end, data.rfind(b"\r", end) + 1)
    if len(data) - end > LONGEST:
        end = _space_before(data, len(data), len(data) - LONGEST // 2)
    return end


def _space_before(data: bytes, at: int, least: int) -> int:
    """Return the place after the last space or comma before `at`, or `at` itself where there is none from `least` on."""
    at = max(at, least)
    found = max(data.rfind(b" ", least, at), data.rfind(b",", least, at))
    return at if found < 0 else found + 1
