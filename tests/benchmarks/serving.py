"""Serve the dumps of a folder as a store does, in a process of its own, and count what is asked for; start workers of a cluster.

    PYTHONPATH=tests python -m benchmarks.serving FOLDER

The server is that of the tests. It may wait before each answer, and give each connection so many bytes a second.
"""

import json
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.servers.objects import Asked, Objects, served
from support.servers.surroundings import environment

from benchmarks.dumps import BUCKET
from benchmarks.rows import Distance


class Served(NamedTuple):
    """How many requests there were, and how many bytes of objects they asked for."""

    requests: int
    nbytes: int


class Files(Objects):
    """The files of a folder as objects, mapped and not read; what is uploaded is kept until the next look at the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._mapped = folder, dict[tuple[str, int, int], mmap.mmap]()

    def tag(self, name: str) -> str:
        """The ETag of an object, by its place in memory: to digest a gigabyte would take longer than to send it."""
        return f'"{id(self.of[name]):x}"'

    def look(self) -> None:
        """Hold what is in the folder now, and forget what was asked and uploaded."""
        found = dict[tuple[str, int, int], mmap.mmap]()
        for path in self._folder.rglob("*"):
            if path.is_file():
                state = path.stat()
                key = path.relative_to(self._folder).as_posix(), state.st_ino, state.st_mtime_ns
                found[key] = self._mapped.get(key) or mapped(path)
        self._mapped = found
        with self.lock:
            self.asked.clear()
            self.uploads.clear()
            bucket = BUCKET.removeprefix("s3://")
            self.of = {f"{bucket}/{name}": data for (name, *_), data in found.items()}  # type: ignore[misc]

    def served(self) -> Served:
        """Count what was asked for since the last look."""
        return Served(len(self.asked), sum(map(self._nbytes, self.gets())))

    def _nbytes(self, asked: Asked) -> int:
        size = len(self.of.get(asked.name, b""))
        if asked.range is None:
            return size
        first, _, last = asked.range.removeprefix("bytes=").partition("-")
        return max(0, min(int(last or size) + 1, size) - int(first)) if first else min(int(last), size)


def mapped(path: Path) -> mmap.mmap:
    """Return a file that need not be read to be served."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Server:
    """A server of a folder, which runs in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self._process, self.url = process, url

    def begin(self, distance: Distance) -> None:
        """Look at the folder, stand so far away, and count from nothing."""
        self._ask(distance._asdict())

    def served(self) -> Served:
        """Say what was asked for since then."""
        return Served(**self._ask({}))

    def _ask(self, question: Mapping[str, float]) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        found: dict[str, int] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a folder; the variables by which programs find the server are set meanwhile."""
    command = [sys.executable, "-m", "benchmarks.serving", str(folder)]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "PYTHONPATH": path}
    before = dict(os.environ)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            os.environ.update(environment(url))
            yield Server(process, url)
        finally:
            os.environ.clear()
            os.environ.update(before)
            process.stdin.close()


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Start so many workers, and yield the address of their scheduler."""
    from support.dask_cluster import dask_cluster

    with tempfile.TemporaryDirectory() as folder, dask_cluster(Path(folder), *map(str, range(workers))) as found:
        yield found.address


def main() -> None:
    """Serve until the standard input ends; each line of it says how far away to be, or asks what was served."""
    files = Files(Path(sys.argv[1]))
    with served(objects=files):
        print(files.url, flush=True)
        for line in sys.stdin:
            if distance := json.loads(line):
                files.latency, files.rate = Distance(**distance)
                files.look()
            print(json.dumps(files.served()._asdict()), flush=True)


if __name__ == "__main__":
    main()
