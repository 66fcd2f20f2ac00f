"""Map a task over items in other processes, too: checksums of what is read and written there come back to this one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from gradclip_cli.engine.executors import Executor

Item = TypeVar("Item")
Result = TypeVar("Result")


class Teller(Protocol):
    """A reader or a writer whose copy in another process has to tell what it has done."""

    @property
    def has_checksums(self) -> bool:
        """Whether there is anything to tell."""

    def receipts(self) -> Any | None:
        """Return and forget what has been done since the last call; None in the process that began, which knows it."""

    def take(self, receipts: Any) -> None:
        """Take what the copy in another process has told."""


class _Telling(NamedTuple):
    """A task, and the readers and writers that it uses."""

    task: Callable[[Any], Any]
    tellers: Sequence[Teller]

    def run(self, item: Any) -> tuple[Any, list[Any]]:
        """Return the result, and what each of the others has to tell."""
        return self.task(item), [one.receipts() for one in self.tellers]


def mapped(
    workers: Executor,
    task: Callable[[Item], Result],
    items: Iterable[Item],
    nbytes: int,
    tellers: Iterable[Teller | None],
) -> Iterator[Result]:
    """Yield `task(item)` for each item as `workers.map` does; `tellers` are all readers and writers that the task uses."""
    every = [one for one in {id(one): one for one in tellers}.values() if one is not None and one.has_checksums]
    if not every:
        yield from workers.map(task, items, nbytes)
        return
    for result, told in workers.map(_Telling(task, every).run, items, nbytes):
        for one, receipts in zip(every, told, strict=True):
            if receipts is not None:
                one.take(receipts)
        yield result
