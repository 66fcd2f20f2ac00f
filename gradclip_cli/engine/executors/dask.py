"""Send orders to the workers of a Dask cluster. The only module that imports `distributed`, and only where a cluster is asked for."""

import asyncio
import logging
import ssl
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gradclip_cli.engine.executors.canary import Identity, identity
from gradclip_cli.engine.executors.cluster import Cluster
from gradclip_cli.engine.executors.held_uploads import Drop, Keep, Message, Show, answer
from gradclip_cli.engine.executors.orders import Answer, Order, answered
from gradclip_cli.engine.executors.progress import Progress
from gradclip_cli.errors import InputError, LostWorkersError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

_PATIENCE = 5.0
"""Seconds for a scheduler to answer."""
_HUNG = 60.0
"""Seconds for a worker to say what it is, for which it may have to import numpy. Dask waits five minutes for one that hangs."""
_ANSWERS: Mapping[type, float] = {Keep: 20.0, Drop: 9.0, Show: 300.0}
"""Seconds for the answer to a message; a store may take minutes to show a large output."""

_SCHEMES = ("tcp://", "tls://")
_CERTIFICATES = "the files that DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …CLIENT__CERT and …CLIENT__KEY name"


class DaskOrder:
    """An order on its way; the scheduler gives it to another worker if one is lost."""

    def __init__(self, future: "Future[Answer]", address: str) -> None:
        self.future, self._address = future, address

    def answer(self, seconds: float) -> Answer | None:
        """Wait so long; return None if it is not done by then. Raises InputError if no worker can do it.

        Dask counts the deaths of workers for all orders that they had, not only for the one that they died of.
        """
        from distributed import KilledWorker

        try:
            found: Answer = self.future.result(timeout=seconds)
        except TimeoutError:
            return None
        except KilledWorker as error:
            times = error.allowed_failures + 1
            what = f"{times} workers died while they worked on it, perhaps for lack of memory"
            raise LostWorkersError(f"{what}; give workers more memory, or look at their logs") from error
        except Exception as error:
            raise self._failure(error) from error
        return found

    def _failure(self, error: Exception) -> InputError:
        """Say what went wrong outside of our own code."""
        if self.future.cancelled() or "Cancel" in type(error).__name__ or isinstance(error, OSError):
            return InputError(f"the scheduler {self._address} has ended, or dropped the work; start it, and run again")
        lacks = isinstance(error, ImportError | AttributeError)
        advice = "install this version of gradclip on all workers" if lacks else "look at their logs"
        return InputError(f"a worker of {self._address} failed: {type(error).__name__}: {error}; {advice}")


class DaskScheduler:
    """A scheduler and its workers; `own` is what to do when the connection ends that is ours to close."""

    def __init__(self, client: "Client", own: ExitStack | None = None) -> None:
        self._client, self._own = client, own
        self.address: str = client.scheduler.address if client.scheduler is not None else "?"

    def workers(self) -> Mapping[str, int]:
        """Return the threads of each worker by its address; raise InputError if the scheduler has ended."""
        try:
            found: Mapping[str, int] = self._client.nthreads()
        except (OSError, AttributeError, RuntimeError) as error:
            raise InputError(f"the scheduler {self.address} has ended; start it, and run again") from error
        return dict(found)

    def identities(self, types: tuple[float, ...]) -> dict[str, Identity | str | None]:
        """Return what each worker is, or why it cannot say; None for one that does not answer."""
        found = self._ask(identity, types, self.workers(), _HUNG)
        return {
            worker: one if one is None or isinstance(one, Identity) else f"{type(one).__name__}: {one}"
            for worker, one in found.items()
            if not isinstance(one, OSError)  # it is lost
        }

    def send(self, order: Order, only: Iterable[str] | None) -> DaskOrder:
        """Send an order to any worker, or to one of those as long as there is one."""
        workers = list(only) if only is not None else None
        others = workers is not None  # rather than wait for ever for workers that are lost
        future = self._client.submit(
            do_order, order, workers=workers, allow_other_workers=others, pure=False, retries=2
        )
        return DaskOrder(future, self.address)

    def cancel(self, orders: Iterable[DaskOrder]) -> None:
        """Drop orders; those that a worker has begun end by themselves."""
        with suppress(OSError, RuntimeError):
            self._client.cancel([order.future for order in orders])

    def tell(self, message: Message, only: Collection[str] | None) -> Mapping[str, Any]:
        """Return what those workers, or all, answer beside their tasks; raise InputError if the scheduler has ended."""
        there = self.workers()  # Dask waits half a minute for one that is not
        workers = [one for one in there if only is None or one in only]
        try:
            found = self._ask(_answered, message, workers, _ANSWERS[type(message)])
        except (OSError, AttributeError, RuntimeError, ValueError, CancelledError) as error:
            raise InputError(f"the scheduler {self.address} has ended; start it, and run again") from error
        return {worker: one for worker, one in found.items() if one is not None and not isinstance(one, OSError)}

    def _ask(self, do: Callable[[Any], Any], what: object, workers: Iterable[str], seconds: float) -> dict[str, Any]:
        """Return what workers answer, or the error; None for one that hangs, which does not keep the others waiting."""

        async def one(worker: str) -> Any:
            asking = self._client.run(do, what, workers=[worker], on_error="return", asynchronous=True)
            try:
                return (await asyncio.wait_for(asking, seconds)).get(worker)
            except TimeoutError:
                return None

        async def each() -> list[Any]:
            return await asyncio.gather(*map(one, workers))

        workers = list(workers)
        return dict(zip(workers, self._client.sync(each), strict=True))

    def close(self) -> None:
        """Disconnect, if the connection is ours."""
        if self._own is not None:
            with self._own:
                self._client.close(timeout=_PATIENCE)


def cluster_of(scheduler: object, types: tuple[float, ...], progress: Progress, jobs: int | None) -> Cluster:
    """Return the executor of a cluster; raise UsageError as `connect` does."""
    return Cluster(connect(scheduler), types, progress, jobs)


def connect(scheduler: object) -> DaskScheduler:
    """Connect to a scheduler by its address, or take a client of the caller; raise UsageError if none answers."""
    if isinstance(scheduler, str) and not scheduler.startswith(_SCHEMES):
        raise UsageError(f"a scheduler is tcp://HOST:PORT or tls://HOST:PORT, not {scheduler!r}")
    try:
        import distributed
    except ImportError as error:
        raise UsageError("a scheduler needs Dask; pip install 'gradclip-cli[cluster]'") from error
    if isinstance(scheduler, distributed.Client):
        if scheduler.asynchronous:
            raise UsageError("the client must not be asynchronous")
        return DaskScheduler(scheduler)
    if not isinstance(scheduler, str):
        raise UsageError(
            f"scheduler must be an address or a distributed.Client, not of type {type(scheduler).__name__}"
        )
    with ExitStack() as unless_connected:
        unless_connected.enter_context(_quiet())
        client = _client(scheduler)
        return DaskScheduler(client, unless_connected.pop_all())


def _client(address: str) -> "Client":
    """Connect to a scheduler, in a thread: Dask would wait for ever for what takes the connection and says nothing."""
    from distributed import Client

    found, failures = list[Client](), list[Exception]()

    def begin() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on other versions of Dask: what matters to us is compared
            try:
                found.append(Client(address, timeout=_PATIENCE, set_as_default=False, name="gradclip"))
            except (OSError, TypeError, ValueError, RuntimeError) as error:
                failures.append(error)

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    thread.join(2 * _PATIENCE)
    if found:
        return found[0]
    for error in failures:
        if address.startswith("tls://") and (why := _tls_failure(error)):
            raise UsageError(f"{address}: TLS failed ({why}); check {_CERTIFICATES}") from error
    lacks = [str(error) for error in failures if isinstance(error, TypeError)]  # tls:// without certificates
    said = f" ({lacks[0]})" if lacks else ""
    what = f"{address}: no Dask scheduler answers{said}; start one with `dask scheduler`"
    raise UsageError(what) from (failures[0] if failures else None)


def _tls_failure(error: BaseException | None) -> str | None:
    """Say which of the causes of an error lies in certificates or keys."""
    while error is not None:
        if isinstance(error, FileNotFoundError | PermissionError | ssl.SSLError):
            return getattr(error, "verify_message", None) or error.strerror
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from writing to standard error what our own line says."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("distributed", "tornado")]
    handlers = [one for name in names for one in logging.getLogger(name).handlers if type(one) is logging.StreamHandler]
    before = [one.level for one in handlers]
    for one in handlers:
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for one, level in zip(handlers, before, strict=True):
            one.setLevel(level)


async def _answered(message: Message) -> Any:
    """Answer a message in a worker, in a thread beside those that do orders."""
    return await asyncio.to_thread(answer, message)


def do_order(order: Any) -> Answer:
    """Do an order in a worker."""
    from distributed import get_worker

    return answered(order, get_worker().address)
