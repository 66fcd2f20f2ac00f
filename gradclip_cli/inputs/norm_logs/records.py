"""Read the records of a TFRecord file, as TensorBoard has its events: a length, its checksum, the data, their checksum.

Only the checksums of lengths are compared: they keep the place in the file, and cost nothing, since lengths repeat.
"""

from collections.abc import Iterable, Iterator
from struct import unpack_from

import numpy as np

_HEADER, _FOOTER = 12, 4
_LARGEST = 1 << 24
"""Larger records are passed over without being kept: no scalars are so many."""

_MOST_KNOWN = 1 << 16
_POLYNOMIAL, _MASK = 0x82F63B78, 0xA282EAD8


_FEWEST = 32
"""The least number of records of one length that are handed on together."""


def stride(start: int, stop: int) -> int:
    """Return how far the beginnings of records of the same length are apart."""
    return _HEADER + stop - start + _FOOTER


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


class DamagedError(ValueError):
    """A length does not have its checksum, so that what follows cannot be found."""


class Records:
    """The records of a file that hold a word, and the first `every` of them whatever they hold; `at` is the place in the file.

    `cut` says that the file ends within a record.
    """

    def __init__(self, blocks: Iterable[bytes], word: bytes, every: int) -> None:
        self._blocks, self._word, self._every = blocks, word, every
        self._known: dict[bytes, int] = {}
        self._table = _crc_table()
        self.at, self.cut = 0, False
        self._wait = 0  # so many records are not looked at for a run, since there was none

    def __iter__(self) -> Iterator[tuple[bytes, int, int, int]]:
        """Yield the bytes that hold a record, where it begins and ends in them, and how many of its length follow, itself included.

        Of these, each begins `stride` after the one before, and not all need to hold the word. Raises DamagedError.
        """
        kept, skip = b"", 0
        for block in self._blocks:
            if skip >= len(block):
                skip -= len(block)
                self.at += len(block)
                continue
            data, self.at, skip = kept + block[skip:], self.at + skip, 0
            end = 0
            for start, stop, count in self._in(data):
                end = stop + _FOOTER + (count - 1) * stride(start, stop)
                if start >= 0:
                    yield data, start, stop, count
            self.at += end
            if end > len(data):
                skip = end - len(data)
                self.at, end = self.at - skip, len(data)
            kept = data[end:]
        self.cut = bool(kept or skip)

    def _in(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Yield where records that count begin and end, then -1 and the end of the last one that is complete; and how many."""
        at, known, folded, word = 0, self._known, data.lower(), self._word
        most, hit = len(data) - _HEADER, folded.find(word)
        while at <= most:
            header = data[at : at + _HEADER]
            size = known.get(header)
            if size is None:
                size = self._checked(header, at)
            stop = at + _HEADER + size
            if stop + _FOOTER > len(data):
                if size > _LARGEST:
                    at = stop + _FOOTER
                break
            if self._every or -1 < hit < stop:
                count = 1 if self._every else self._run(data, at, stop)
                self._every -= bool(self._every)
                yield at + _HEADER, stop, count
                stop += (count - 1) * (stop + _FOOTER - at)
                hit = folded.find(word, stop)
            at = stop + _FOOTER
        yield -1, at - _FOOTER, 1

    def _run(self, data: bytes, at: int, stop: int) -> int:
        """Return how many records of one length follow each other from `at` on; 1 where these are few."""
        width = stop + _FOOTER - at
        most = (len(data) - at) // width
        after = at + width
        if most < _FEWEST or data[after : after + _HEADER] != data[at : at + _HEADER]:
            return 1
        if self._wait:
            self._wait -= 1
            return 1
        rows = np.frombuffer(data, np.uint8, most * width, at).reshape(most, width)[:, :_HEADER]
        other = (rows != rows[0]).any(axis=1)
        count = int(other.argmax()) if other.any() else most
        if count < _FEWEST:
            self._wait = _FEWEST
            return 1
        return count

    def _checked(self, header: bytes, at: int) -> int:
        size, crc = unpack_from("<QI", header)
        if self.masked_crc(header[:8]) != crc:
            raise DamagedError(f"is damaged at byte {self.at + at:,}: a length does not have its checksum")
        if len(self._known) < _MOST_KNOWN:
            self._known[header] = size
        return int(size)

    def masked_crc(self, data: bytes) -> int:
        """Return the CRC-32C of data, rotated and shifted as TFRecord files have it."""
        crc = 0xFFFFFFFF
        for byte in data:
            crc = self._table[(crc ^ byte) & 255] ^ crc >> 8
        crc ^= 0xFFFFFFFF
        return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def begins_with_record(head: bytes) -> bool:
    """Whether data begin with a length of at least 1 and its checksum."""
    if len(head) < _HEADER:
        return False
    size, crc = unpack_from("<QI", head)
    return bool(0 < size < 1 << 40) and Records((), b"", 0).masked_crc(head[:8]) == crc
