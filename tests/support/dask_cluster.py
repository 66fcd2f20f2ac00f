"""A Dask scheduler and its workers as processes on a free port, which end with the test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed

TESTS = Path(__file__).parent.parent


class DaskCluster:
    """A scheduler at `address` with workers, whose files are in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._every = folder, list[subprocess.Popen[bytes]]()
        self._environment = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}
        file = folder / "scheduler.json"
        told = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._start("distributed.cli.dask_scheduler", *told)
        with distributed.Client(scheduler_file=str(file), timeout=30, set_as_default=False) as client:
            self.address: str = client.scheduler.address
        self.workers: list[subprocess.Popen[bytes]] = []

    def add(self, *workers: str, start: str = "distributed.cli.dask_worker") -> None:
        """Start workers of these names, one thread each, and wait until the scheduler knows them."""
        for name in workers:
            told = [self.address, "--name", name, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            self.workers.append(self._start(start, *told, "--local-directory", str(self._folder)))
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=60)

    def kill(self, one: subprocess.Popen[bytes]) -> None:
        """Kill a worker or the scheduler at once."""
        one.send_signal(signal.SIGKILL)
        one.wait()

    def stop(self) -> None:
        """End everything that was started."""
        for one in (*self.workers, *self._every):
            if one.poll() is None:
                self.kill(one)

    def _start(self, module: str, *told: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log.txt").open("ab") as log:
            one = subprocess.Popen(
                [sys.executable, "-m", module, *told], env=self._environment, stdout=log, stderr=log, cwd=self._folder
            )
        self._every.append(one)
        return one


@contextmanager
def dask_cluster(folder: Path, *workers: str) -> Iterator[DaskCluster]:
    """Provide a cluster with workers of these names."""
    cluster = DaskCluster(folder)
    try:
        cluster.add(*workers)
        yield cluster
    finally:
        cluster.stop()


def wait_for(condition: "object", seconds: float = 30.0) -> None:
    """Wait until a function returns something true; fail if it does not for so long."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
