"""Map a task over items in other processes, too: checksums of what is read and written there come back to this one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from gradclip_cli.engine.executors.base import Executor

Item = TypeVar("Item")
Result = TypeVar("Result")


class HasReceipts(Protocol):
    """A reader or a writer whose copy in another process gives receipts for what it has done."""

    @property
    def has_checksums(self) -> bool:
        """Whether there is anything to give receipts for."""

    def receipts(self) -> Any | None:
        """Return and forget what has been done since the last call; None in the process that began, which knows it."""

    def take(self, receipts: Any) -> None:
        """Take the receipts of the copy in another process."""


class _WithReceipts(NamedTuple):
    """A task, and the readers and writers that it uses."""

    task: Callable[[Any], Any]
    used: Sequence[HasReceipts]

    def run(self, item: Any) -> tuple[Any, list[Any]]:
        """Return the result, and the receipts of each reader and writer."""
        return self.task(item), [one.receipts() for one in self.used]


def map_with_receipts(
    workers: Executor,
    task: Callable[[Item], Result],
    items: Iterable[Item],
    nbytes: int,
    used: Iterable[HasReceipts | None],
) -> Iterator[Result]:
    """Yield `task(item)` for each item as `workers.map` does; `used` are all readers and writers that the task uses."""
    every = [one for one in {id(one): one for one in used}.values() if one is not None and one.has_checksums]
    if not every:
        yield from workers.map(task, items, nbytes)
        return
    for result, given in workers.map(_WithReceipts(task, every).run, items, nbytes):
        for one, receipts in zip(every, given, strict=True):
            if receipts is not None:
                one.take(receipts)
        yield result
