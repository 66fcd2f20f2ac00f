"""Write new elements into a copy of a foreign file through a child, many datasets in a message."""

from typing import Any

from gradclip_cli.formats.hdf5.chunks import Band
from gradclip_cli.formats.hdf5.link import Link

Place = Band | tuple[int, ...]
"""Where elements go: a band, or the origin of a packed chunk."""

_MOST_BYTES, _MOST_DATASETS, _MOST_PLACES = 4 << 20, 1024, 4096
"""When a message is sent. A message and its answer take a tenth of a millisecond, as long as three small datasets; each dataset
has its limit of time, in which thousands of chunks are written on the busiest machine."""


class Editor:
    """A copy of a file that was walked without error, into which the child writes new elements; `fd` is open for writing.

    Datasets must be written one after the other. Errors of writing may come with a later one, and name the right one.
    """

    def __init__(self, fd: int, size: int, source: str, path: str) -> None:
        self._link = Link(fd, "r+", size, source, path)
        self._parts: list[tuple[str, list[tuple[Any, ...]], bool]] = []
        self._places: list[tuple[Any, ...]] = []  # of the dataset that is being written
        self._data: list[bytes] = []
        self._held = 0

    def write(self, name: str, where: Place, data: bytes) -> None:
        """Write the elements of a band, or the packed chunk at an origin."""
        plain = (where.start, where.stop, where.origin, where.count) if isinstance(where, Band) else (where,)
        self._places.append((*plain, len(data)))
        self._data.append(data)
        self._held += len(data)
        if self._held >= _MOST_BYTES or len(self._data) >= _MOST_PLACES:
            self._end(name, complete=False)
            self._send()

    def complete(self, name: str) -> None:
        """End a dataset: it will be flushed and released."""
        self._end(name, complete=True)
        if len(self._parts) >= _MOST_DATASETS:
            self._send()

    def finish(self) -> None:
        """Write what is left, and complete the file."""
        self._send()
        self._link.ask("finish")

    def close(self) -> None:
        """Release the file, whether or not it is complete."""
        self._link.close()

    def _end(self, name: str, complete: bool) -> None:
        self._parts.append((name, self._places, complete))
        self._places = []

    def _send(self) -> None:
        if self._parts:
            names, data = [name for name, *_ in self._parts], b"".join(self._data)
            self._link.ask("write", self._parts, tensors=names, nbytes=6 * len(data), payload=data)
            self._parts, self._data, self._held = [], [], 0
