"""Keep results in a file of SQLite, for any number of processes at a time. Whatever is wrong with it is said, never raised."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gradclip_cli.errors import UsageError, reason
from gradclip_cli.storage.results import Key, Result, digest_of

if TYPE_CHECKING:
    import sqlite3

Found = TypeVar("Found")

_APPLICATION, _VERSION = 0x67726164, 1
"""What the file says of itself: that it is ours, and the version of its tables."""
_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
_MOST_BYTES = 1 << 30
"""The size from which on the oldest quarter of the results is dropped."""

_TABLES = """
CREATE TABLE headers (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE results (place BLOB PRIMARY KEY, state BLOB NOT NULL, header BLOB NOT NULL, body BLOB NOT NULL,
                      digest BLOB NOT NULL, stored INTEGER NOT NULL);
"""


_AT_ONCE = 500
"""The most results that are asked for at once; SQLite takes 999 values in a query."""


class Contents(NamedTuple):
    """How many results a file holds, and its size in bytes."""

    results: int
    nbytes: int


def default_path() -> str:
    """Return where the file is, by the rules of XDG: in `$XDG_CACHE_HOME`, or else in `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(home if os.path.isabs(home) else os.path.expanduser("~/.cache"), "gradclip", "results.sqlite")


class ResultsFile:
    """The results in a file. It is opened when it is first asked; `trouble` says why it is no longer asked, or written to."""

    lasts = True

    def __init__(self, path: str) -> None:
        if find_spec("_sqlite3") is None:
            raise UsageError("the cache needs SQLite, which this Python was built without; leave out --cache")
        self.path = path
        self.trouble = ""
        self._connection: sqlite3.Connection | None = None
        self._reads = self._writes = True

    @property
    def remedy(self) -> str:
        """What helps against the trouble."""
        if "locked" in self.trouble:
            return "another process holds it; run again when that has ended"
        if os.path.isfile(self.path) and os.access(os.path.dirname(self.path), os.W_OK):
            return "`gradclip cache clear` removes it"
        return "set XDG_CACHE_HOME to a directory that may be written to"

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with suppress(*self._errors()):
                self._connection.close()
            self._connection = None

    def sizes(self, keys: Sequence[Key]) -> dict[Key, int]:
        """Return the bytes of each of some results that are there."""
        wanted = set(keys)
        found = ((Key(*row[:2]), row[2]) for row in self._select("place, state, length(body)", keys))
        return {key: size for key, size in found if key in wanted}

    def get(self, keys: Sequence[Key]) -> dict[Key, Result]:
        """Return those of some results that are there, with the bytes that were put."""
        wanted, found = set(keys), dict[Key, Result]()
        for *parts, digest in self._select("place, state, header, body, digest", keys):
            key = Key(*parts[:2])
            if key in wanted and digest == digest_of(*parts):
                found[key] = Result(*parts)
        return found

    def _select(self, columns: str, keys: Sequence[Key]) -> Iterator[tuple[Any, ...]]:
        """Yield rows of some places, whatever their states."""
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at : at + _AT_ONCE]
            query = f"SELECT {columns} FROM results WHERE place IN ({', '.join('?' * len(some))})"  # noqa: S608  # names of ours
            places = [key.place for key in some]
            yield from self._read(partial(self._fetched, query, places)) or ()

    def _fetched(self, query: str, places: list[bytes]) -> list[tuple[Any, ...]]:
        return self._opened().execute(query, places).fetchall()

    def header(self, name: bytes) -> bytes | None:
        """Return the header of this name."""
        query = "SELECT body FROM headers WHERE id = ?"
        found = self._read(lambda: self._opened().execute(query, (name,)).fetchone())
        return found[0] if found is not None and digest_of(found[0]) == name else None

    def put(self, results: Iterable[Result], headers: Iterable[bytes]) -> None:
        """Put results, all or none, with the headers that they name by `digest_of`."""
        stored = time.time_ns()
        rows = [(*one, digest_of(*one), stored) for one in results]
        named = [(digest_of(body), body) for body in headers]
        if self._writes and self._reads:
            self._write(lambda: self._put(rows, named))

    def _put(self, rows: Sequence[tuple[object, ...]], headers: list[tuple[bytes, bytes]]) -> None:
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?)", headers)
            connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)", rows)
            if _size(connection) > _MOST_BYTES:
                _drop_oldest(connection)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def contents(self) -> Contents:
        """Return what the file holds; nothing if there is none, or if it cannot be read."""
        if not os.path.exists(self.path):
            return Contents(0, 0)
        count = self._read(lambda: self._opened().execute("SELECT count(*) FROM results").fetchone())
        with suppress(OSError):
            return Contents(count[0] if count else 0, os.path.getsize(self.path))
        return Contents(0, 0)

    def clear(self) -> None:
        """Remove the file; it may be damaged. Raises OSError if it may not be removed.

        Processes that are using it go on with what they have open.
        """
        self.close()
        for path in (self.path, f"{self.path}-journal"):
            with suppress(FileNotFoundError):
                os.remove(path)

    def _read(self, ask: Callable[[], Found]) -> Found | None:
        if not self._reads:
            return None
        try:
            return ask()
        except self._errors() as error:
            self._reads = False
            self._note(error)
            return None

    def _write(self, do: Callable[[], None]) -> None:
        try:
            do()
        except self._errors() as error:
            self._writes = False
            self._note(error)

    def _note(self, error: Exception) -> None:
        self.trouble = self.trouble or (reason(error) if isinstance(error, OSError) else str(error))

    def _opened(self) -> "sqlite3.Connection":
        if self._connection is None:
            self._connection = _connected(self.path)
        return self._connection

    @staticmethod
    def _errors() -> tuple[type[Exception], ...]:
        """Return what is raised where a file cannot be opened, read or written, or is not ours."""
        import sqlite3

        return sqlite3.Error, OSError, _ForeignError


class _ForeignError(Exception):
    """The file is of another program, or of another version of this one."""


def _connected(path: str) -> "sqlite3.Connection":
    import sqlite3

    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    with suppress(OSError):  # names of tensors are nobody else's business
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, _PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        _prepare(connection)
    except (sqlite3.Error, _ForeignError):
        connection.close()
        raise
    return connection


def _prepare(connection: "sqlite3.Connection") -> None:
    """Make the tables in a new file; raise an error for a file that is not ours."""
    if _said_by(connection) == (0, 0, 0):
        connection.execute("BEGIN IMMEDIATE")
        if _said_by(connection) == (0, 0, 0):  # no other process was faster
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    application, version, _ = _said_by(connection)
    if application != _APPLICATION:
        raise _ForeignError("is no cache of gradclip")
    if version != _VERSION:
        raise _ForeignError("was written by another version of gradclip")


def _said_by(connection: "sqlite3.Connection") -> tuple[int, ...]:
    """Return what a file says of itself: whose it is, its version, and how often its tables were changed."""
    names = ("application_id", "user_version", "schema_version")
    return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)


def _size(connection: "sqlite3.Connection") -> int:
    """Return the bytes in use."""
    count, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((count - free) * size)


def _drop_oldest(connection: "sqlite3.Connection") -> None:
    connection.execute(
        "DELETE FROM results WHERE place IN "
        "(SELECT place FROM results ORDER BY stored LIMIT (SELECT (count(*) + 3) / 4 FROM results))"
    )
    connection.execute("DELETE FROM headers WHERE id NOT IN (SELECT header FROM results)")
