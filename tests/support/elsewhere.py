"""Other processes, acted by copies: every task, item and result goes through a pickle, and files as duplicate descriptors."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from gradclip_cli.engine.executors.sending import packed, unpacked
from gradclip_cli.engine.executors.threads import Threads

WORKERS = 3


def copied(value: Any) -> Any:
    """Return what another process would get; raise TypeError for what cannot be sent."""
    sent = packed(value)
    return unpacked(sent._replace(fds=[os.dup(fd) for fd in sent.fds]))


class Maps:
    """How many maps ran on copies, and how many on the task itself, since that could not be sent."""

    sent = kept = 0


def act(patch: pytest.MonkeyPatch) -> Maps:
    """Let three copies of each task do its items, the last of them first; what cannot be sent stays."""
    maps = Maps()

    def work(threads: Threads, task: Callable[[Any], Any], items: Iterable[Any], nbytes: int = 0) -> Iterator[Any]:
        every = list(items)
        try:
            tasks = [copied(task) for _ in range(WORKERS)]
        except TypeError:
            maps.kept += 1
            yield from map(task, every)
            return
        maps.sent += 1
        results = [copied(tasks[k % WORKERS](copied(every[k]))) for k in reversed(range(len(every)))]
        del tasks
        yield from reversed(results)

    patch.setattr(Threads, "map", work)
    return maps
