"""Read a log from its beginning to its end, once: a file, a pipe or standard input, unpacked where it is packed by gzip."""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gradclip_cli.errors import InputError, reason
from gradclip_cli.inputs.norm_logs.unpacking import Unpacked
from gradclip_cli.notes import Note
from gradclip_cli.storage import locations, streams
from gradclip_cli.storage.spooling import standard_input

HEAD = 1 << 16
"""How many bytes at the start of a log tell its layout."""

BLOCK = 1 << 18
"""How many bytes are read at once: they stay in the cache while they are searched."""

_REMOTE_BLOCK = 4 << 20
"""How many bytes of a remote log are asked for at once."""

_GZIP = b"\x1f\x8b"


class LogStream:
    """A log that is read once; `head` holds its first bytes, which `blocks` yields again."""

    def __init__(self, path: str, raw: io.RawIOBase) -> None:
        self.path = path
        self.notes: list[Note] = []
        self.whole_lines = False  # whether to leave out a last line that has no end
        self._file: io.BufferedReader[Any] = io.BufferedReader(raw, BLOCK)
        self._unpacked: Unpacked | None = None
        if self._file.peek(2)[:2] == _GZIP:
            self._unpacked = Unpacked(self._file)
            self._file = io.BufferedReader(self._unpacked, BLOCK)
        self.head = self._read(HEAD)

    def blocks(self) -> Iterator[bytes]:
        """Yield the log in blocks of bytes; what is cut short while it is unpacked ends there, with a note."""
        return _whole_lines(self._every_block()) if self.whole_lines else self._every_block()

    def _every_block(self) -> Iterator[bytes]:
        block = self.head
        while block:
            yield block
            block = self._read(BLOCK)

    def _read(self, most: int) -> bytes:
        """Return the next bytes, fewer than asked for at the end only."""
        try:
            data = self._file.read(most)
        except zlib.error as error:
            raise InputError(f"is damaged: gzip cannot unpack it: {error}", path=self.path) from error
        except OSError as error:
            raise InputError(reason(error), path=self.path) from error
        if not data and self._unpacked is not None and self._unpacked.cut:
            what = "is packed by gzip and cut short, so norms at its end are missing"
            self.notes.append(Note("cut-short", f"{self.path}: {what}", changes_figures=True))
        return data


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield blocks without what follows the last end of a line."""
    kept = b""
    for block in blocks:
        data = kept + block
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        kept = data[end:]
        if end:
            yield data[:end]


class _Blocks(io.RawIOBase):
    """Blocks of bytes as a file, for readers of the standard library."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, out: bytearray) -> int:  # type: ignore[override]
        """Fill `out` with the next bytes."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        count = min(len(out), len(self._rest))
        out[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def as_text(stream: LogStream) -> io.TextIOWrapper:
    """Return a log as a file of text; bytes that are no UTF-8 become signs of replacement."""
    raw: io.RawIOBase = _Blocks(stream.blocks())
    return io.TextIOWrapper(io.BufferedReader(raw, BLOCK), "utf-8-sig", "replace", newline="")


class _Standard(io.RawIOBase):
    """Standard input: what was kept of it first, then what comes, which is not kept."""

    def __init__(self) -> None:
        self._spool, self._at = standard_input(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, out: bytearray) -> int:  # type: ignore[override]
        """Fill `out` with the next bytes."""
        data = self._spool.read_on(self._at, len(out))
        out[: len(data)] = data
        self._at += len(data)
        return len(data)


def _opened(path: str) -> io.RawIOBase:
    if path == streams.STANDARD:
        return _Standard()
    return _Blocks(locations.blocks(path, _REMOTE_BLOCK)) if locations.is_remote(path) else io.FileIO(path)


@contextmanager
def opened_log(path: str) -> Iterator[LogStream]:
    """Open a log; raise InputError if it cannot be opened or read."""
    try:
        raw = _opened(path)
    except (OSError, ValueError) as error:
        what = "is a directory" if isinstance(error, IsADirectoryError) else reason(error)
        raise InputError(what, path=path) from error
    with raw:
        yield LogStream(path, raw)


def head_of(path: str) -> bytes:
    """Return the first bytes of a regular file or of standard input, unpacked; nothing where they cannot be read."""
    if path != streams.STANDARD and not locations.is_file(path):
        return b""
    try:
        with opened_log(path) as stream:
            return stream.head
    except InputError:
        return b""
