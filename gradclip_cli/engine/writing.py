"""Map a task that writes over items in other processes, too: checksums of what is written there come back to the writer here."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from gradclip_cli.engine.executors import Executor
from gradclip_cli.formats.base import Writer
from gradclip_cli.formats.elsewhere import PlacedWriter

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Telling(NamedTuple):
    """A task, and the writer that it uses: as a copy, if this is a copy in another process."""

    task: Callable[[Any], Any]
    writer: Writer | PlacedWriter

    def run(self, item: Any) -> tuple[Any, Any]:
        """Return the result, and the receipts of what a copy of the writer has written."""
        return self.task(item), self.writer.receipts()


def map_writing(
    workers: Executor, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int, writer: Writer | None
) -> Iterator[Result]:
    """Yield `task(item)` for each item as `workers.map` does; `writer` is what the task writes with, if anything."""
    if writer is None or not writer.has_checksums:
        yield from workers.map(task, items, nbytes)
        return
    for result, receipts in workers.map(_Telling(task, writer).run, items, nbytes):
        if receipts is not None:
            writer.take(receipts)
        yield result
