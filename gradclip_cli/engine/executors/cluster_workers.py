"""The workers of a cluster: which of them may be used, and how many threads they have."""

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from gradclip_cli.engine.executors.canary import Identity
from gradclip_cli.engine.executors.held_uploads import Message
from gradclip_cli.engine.executors.orders import Answer, Order
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.notes import Note
from gradclip_cli.text import plural

PATIENCE = 60.0
"""Seconds to wait for a first worker, or for another one after the last is lost."""
_FRESH = 2.0


class Pending(Protocol):
    """An order on its way."""

    def answer(self, seconds: float) -> Answer | None:
        """Wait so long; return None if it is not done by then.

        Raises LostWorkersError if workers die that have it, or another InputError if none can do it.
        """


class Scheduler(Protocol):
    """What is needed of a scheduler, so that another engine, or a test, is one class."""

    address: str

    def workers(self) -> Mapping[str, int]:
        """Return the threads of each worker by its address."""

    def identities(self, types: tuple[float, ...]) -> Mapping[str, Identity | str | None]:
        """Return what each worker is, or why it cannot say; None for one that does not answer."""

    def send(self, order: Order, only: Iterable[str] | None) -> Any:
        """Send an order to any worker, or to one of those; return it as `Pending`."""

    def cancel(self, orders: Iterable[Any]) -> None:
        """Drop orders."""

    def tell(self, message: Message, only: Collection[str] | None) -> Mapping[str, Any]:
        """Return what those workers, or all, answer at once, or the error of ours; without those that are lost."""

    def close(self) -> None:
        """Disconnect."""


class ClusterWorkers:
    """The workers of a scheduler that may work for a machine of this identity: `told` hears how many, `notes` say which may not."""

    def __init__(self, scheduler: Scheduler, identity: Identity, told: Callable[[int], None]) -> None:
        self._told = told
        self.notes: list[Note] = []
        self.threads = 0
        self._scheduler, self._identity = scheduler, identity
        self._refused: dict[str, str] = {}
        self._looked, self._lock = -math.inf, threading.Lock()
        self._alone: float | None = None

    def look(self) -> None:
        """Count the threads of the workers that may be used, and remember since when there is none."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked > _FRESH:
                found = self._scheduler.workers()
                used = [count for worker, count in found.items() if worker not in self._refused]
                self.threads = sum(used)
                self._told(len(used))
                self._looked, self._alone = now, None if self.threads else self._alone or now

    def check_versions(self) -> None:
        """Compare all workers with this machine; one that hangs is not used."""
        found = self._scheduler.identities(tuple(p for p, _ in self._identity.sums))
        why = {
            worker: "it does not answer"
            if one is None
            else one
            if isinstance(one, str)
            else self._identity.refusal(one)
            for worker, one in found.items()
        }
        others = [
            one for one in found.values() if isinstance(one, str) or (one and one.version != self._identity.version)
        ]
        if others:
            other = others[0]
            of = f"run gradclip {other.version}" if isinstance(other, Identity) else f"cannot run gradclip ({other})"
            what = f"{len(others)} of {plural(len(found), 'worker')} {of}, this is {self._identity.version}"
            raise UsageError(f"{self._scheduler.address}: {what}; install the same")
        for worker, refusal in why.items():
            if refusal is not None:
                self.refuse(worker, refusal)
        if found and len(self._refused) == len(found):
            worker, refusal = next(iter(self._refused.items()))
            raise UsageError(f"{self._scheduler.address}: no worker can be used: {worker} {refusal}")

    def refuse(self, worker: str, refusal: str) -> None:
        """Use a worker no more, and say so."""
        with self._lock:
            known, self._refused[worker] = worker in self._refused, refusal
            if not known:
                self.notes.append(Note("cluster", f"worker {worker} is not used: {refusal}"))

    def allowed(self) -> list[str] | None:
        """Return the workers that may be used; None for all, later ones too. Raises UsageError if there is none."""
        if not self._refused:
            return None
        found = [worker for worker in self._scheduler.workers() if worker not in self._refused]
        if not found:
            worker, refusal = next(iter(self._refused.items()))
            raise UsageError(f"{self._scheduler.address}: no worker can be used: {worker} {refusal}")
        return found

    def check_workers(self) -> None:
        """Raise InputError if there has been no worker for long."""
        self.look()
        if self._alone is not None and time.monotonic() - self._alone > PATIENCE:
            what = f"{self._scheduler.address} has had no worker for {PATIENCE:.0f} s"
            raise InputError(f"{what}; start some with `dask worker {self._scheduler.address}`")
