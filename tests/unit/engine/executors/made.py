"""A scheduler that does orders in this process when their answers are asked for."""

import pickle
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from gradclip_cli.engine.executors.canary import Identity, identity
from gradclip_cli.engine.executors.held_uploads import Message, answer
from gradclip_cli.engine.executors.orders import Answer, Order, answered


class Waiting:
    """An order that is done when its answer is asked for."""

    def __init__(self, scheduler: "Scheduler", order: Order, worker: str) -> None:
        self._scheduler, self._order, self.worker = scheduler, order, worker

    def answer(self, seconds: float) -> Answer | None:
        """Do the order."""
        self._scheduler.under_way.remove(self)
        if self.worker in self._scheduler.odd:
            return self._scheduler.odd[self.worker](self._order)
        copy: Order = pickle.loads(pickle.dumps(self._order))
        return answered(copy, self.worker)


class Scheduler:
    """Gives orders to its workers in turn; `odd` ones answer as a function says."""

    address = "tcp://fake:8786"

    def __init__(self, *workers: str, odd: Mapping[str, Callable[[Order], Answer | None]] | None = None) -> None:
        self.every, self.odd = list(workers), odd or {}
        self.who: dict[str, Identity | str | None] = {}
        self.under_way: list[Waiting] = []
        self.sent, self.most, self.cancelled, self.closed = list[str](), 0, 0, False

    def workers(self) -> Mapping[str, int]:
        """Return one thread for each."""
        return dict.fromkeys(self.every, 1)

    def identities(self, types: tuple[float, ...]) -> Mapping[str, Identity | str | None]:
        """Return what was set, or else that of this process."""
        return {worker: self.who.get(worker, identity(types)) for worker in self.every}

    def send(self, order: Order, only: Iterable[str] | None) -> Any:
        """Give an order to the next worker."""
        allowed = self.every if only is None else list(only)
        one = Waiting(self, order, allowed[len(self.sent) % len(allowed)])
        self.sent.append(one.worker)
        self.under_way.append(one)
        self.most = max(self.most, len(self.under_way))
        return one

    def cancel(self, orders: Iterable[Any]) -> None:
        """Count what is dropped."""
        self.cancelled += len(list(orders))

    def tell(self, message: Message, only: Collection[str] | None) -> Mapping[str, Any]:
        """Let this process answer as each of the workers."""
        return {worker: answer(message) for worker in (self.every if only is None else only)}

    def close(self) -> None:
        """Take note."""
        self.closed = True
