"""A Dask scheduler and its workers as processes on a free port, which end with the test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import distributed

from support.waiting import wait_for

TESTS = Path(__file__).parent.parent
ODDITIES = ("version", "sums", "late", "dies", "waits", "blind", "brief", "full")


class DaskCluster:
    """A scheduler at `address` with workers, whose files are in a folder."""

    def __init__(self, folder: Path, deaths: int, protocol: str = "tcp") -> None:
        self.folder, self._every = folder, list[subprocess.Popen[bytes]]()
        self._environment = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}
        self._environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = str(deaths)
        file = folder / "scheduler.json"
        told = [
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--protocol",
            protocol,
            "--scheduler-file",
            str(file),
        ]
        self.scheduler = self._start("distributed.cli.dask_scheduler", *told)
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        self.address: str = json.loads(file.read_text())["address"]
        self.workers: list[subprocess.Popen[bytes]] = []

    def add(self, *workers: str) -> None:
        """Start workers of these names, one thread each, and wait until the scheduler knows them; an oddity of `odd_worker` is one."""
        for name in workers:
            start = ("support.odd_worker", name) if name in ODDITIES else ("distributed.cli.dask_worker",)
            told = [
                self.address,
                "--nthreads",
                "1",
                "--no-dashboard",
                "--no-nanny",
                "--local-directory",
                str(self.folder),
            ]
            self.workers.append(self._start(*start, *told))
        with self.client() as client:
            alive = sum(worker.poll() is None for worker in self.workers)
            client.wait_for_workers(alive, timeout=60)

    def client(self) -> distributed.Client:
        """Return a client, by the certificates that the environment now names."""
        dask.config.refresh()
        return distributed.Client(self.address, timeout=30, set_as_default=False)

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
        with (self.folder / "log.txt").open("ab") as log:
            one = subprocess.Popen(
                [sys.executable, "-m", module, *told], env=self._environment, stdout=log, stderr=log, cwd=self.folder
            )
        self._every.append(one)
        return one


@contextmanager
def dask_cluster(folder: Path, *workers: str, deaths: int = 3) -> Iterator[DaskCluster]:
    """Provide a cluster with such workers; a task that has killed more than so many is not tried again."""
    cluster = DaskCluster(folder, deaths)
    try:
        cluster.add(*workers)
        yield cluster
    finally:
        cluster.stop()
