"""Find the lines of a log that hold a word, at the speed at which bytes can be searched; other lines are never looked at."""

from collections.abc import Iterable, Iterator, Sequence

LONGEST = 1 << 16
"""Longer lines are cut at a space or comma: one without any end must not fill the memory."""


Place = tuple[bytes, bytes, int, int]
"""A line: a block of bytes, the same in lower case, and where in it the line begins and ends, without its end."""


class Lines:
    """The lines of a log that hold any of some words, in lower case, whatever their case in the log; `count` counts all lines.

    A line ends at a line feed, or at a carriage return, behind which a bar of progress writes its next state.
    """

    def __init__(self, blocks: Iterable[bytes], words: Sequence[bytes], longest: int = LONGEST) -> None:
        self._blocks, self._words, self._longest = blocks, words, longest
        self.count = 0
        self.is_last = False  # whether the line is the last one, and has no end

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines."""
        for data, _, start, stop in self.places():
            yield data[start:stop]

    def places(self) -> Iterator[Place]:
        """Yield where the lines are: a line of which little is read is never copied."""
        kept = b""
        for block in self._blocks:
            data = kept + block if kept else block
            end = self._last_end(data)
            yield from self._in(data[:end] if end < len(data) else data)
            kept = data[end:]
        if kept:
            self.is_last = not kept.endswith((b"\n", b"\r"))
            self.count += not kept.endswith(b"\n")
            yield from self._in(kept)

    def _in(self, data: bytes) -> Iterator[Place]:
        self.count += data.count(b"\n")
        folded, done, returns = data.lower(), 0, b"\r" in data
        words = [word for word in self._words if word in folded]  # one, nearly always
        while words:
            at = folded.find(words[0], done)
            if len(words) > 1:
                places = [at, *(folded.find(word, done) for word in words[1:])]
                at = min((place for place in places if place >= 0), default=-1)
            if at < 0:
                return
            start, stop = data.rfind(b"\n", done, at) + 1 or done, data.find(b"\n", at)
            if stop < 0:
                stop = len(data)
            if returns:
                start = data.rfind(b"\r", start, at) + 1 or start
                turn = data.find(b"\r", at, stop)
                stop = stop if turn < 0 else turn
            if stop - start > self._longest:
                start, stop = self._cut(data, at, start, stop)
            yield data, folded, start, stop
            done = stop

    def _cut(self, data: bytes, at: int, start: int, stop: int) -> tuple[int, int]:
        """Return the part of a long line around the word at `at`."""
        start = max(start, _space_before(data, at - self._longest // 2, start))
        return start, min(stop, _space_before(data, start + self._longest, at + self._longest // 4))

    def _last_end(self, data: bytes) -> int:
        """Return where the last line of a block begins, which the next block goes on with."""
        end = data.rfind(b"\n") + 1
        if len(data) - end > self._longest:  # no line of text, but perhaps a bar of progress
            end = data.rfind(b"\r", end) + 1 or end
        if len(data) - end > self._longest:
            end = _space_before(data, len(data), len(data) - self._longest // 2)
        return end


def _space_before(data: bytes, at: int, least: int) -> int:
    """Return the place after the last space or comma before `at`, or `at` itself where there is none from `least` on."""
    at = min(max(at, least), len(data))
    found = max(data.rfind(b" ", least, at), data.rfind(b",", least, at))
    return at if found < 0 else found + 1
