"""Threads do what is small or on few processors, and worker processes the rest."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gradclip_cli.engine.executors import choice
from gradclip_cli.engine.executors.choice import Chosen
from gradclip_cli.notes import Note
from unit.engine.executors import errands

MB = 1 << 20


class Recorded:
    """Stands in for worker processes, and records how many bytes each map goes through."""

    maps: list[int]

    def __init__(self, jobs: int, progress: object, threads: object) -> None:
        self.notes = [Note("processes", "none")]
        Recorded.maps = []

    def map(self, task: object, items: object, nbytes: int = 0) -> Iterator[int]:
        """Record a map."""
        Recorded.maps.append(nbytes)
        return iter([-1])

    def stop(self) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def _recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sixteen processors be there, and no process be started."""
    Recorded.maps = []
    monkeypatch.setattr(choice, "available", lambda: 16)
    monkeypatch.setattr("gradclip_cli.engine.executors.processes.Processes", Recorded)


def mapped(jobs: int | None, *nbytes: int) -> list[int]:
    """Return the bytes of the maps that processes do, of those with these bytes."""
    with Chosen(jobs) as workers:
        for each in nbytes:
            assert list(workers.map(errands.square, [1, 2], each)) in ([1, 4], [-1])
    return Recorded.maps


@pytest.mark.parametrize(
    ("jobs", "nbytes", "expected"),
    [
        (None, [399 * MB], []),
        (None, [400 * MB], [400 * MB]),
        (4, [400 * MB], [400 * MB]),
        (3, [4000 * MB], []),
        (1, [4000 * MB], []),
        (None, [0, 0], []),
        (None, [150 * MB] * 4, [150 * MB] * 2),  # a series counts as a whole
        (None, [400 * MB, 31 * MB, 0, 32 * MB], [400 * MB, 32 * MB]),
        (None, [31 * MB] * 20, []),
    ],
)
def test_what_processes_do(jobs: int | None, nbytes: list[int], expected: list[int]) -> None:
    """Four jobs, 400 MiB in the call so far and 32 MiB in the map are needed."""
    assert mapped(jobs, *nbytes) == expected


@pytest.mark.parametrize(("jobs", "there", "expected"), [(None, 2, 2), (16, 2, 2), (1, 2, 1), (3, 16, 3), (99, 16, 16)])
def test_no_more_jobs_than_processors(
    jobs: int | None, there: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More jobs than processors only wait for each other; fewer are what the user wants."""
    monkeypatch.setattr(choice, "available", lambda: there)
    with Chosen(jobs) as workers:
        assert workers.jobs == expected


def test_notes() -> None:
    """The notes are those of the processes, once there are any."""
    with Chosen() as workers:
        assert workers.notes == []
        list(workers.map(errands.square, [1], 400 * MB))
        assert [note.kind for note in workers.notes] == ["processes"]


def test_a_map_while_the_results_of_another_are_taken() -> None:
    """Each has its own results, wherever the first one runs; after it, others are spread again."""
    with Chosen(4) as workers:
        for nbytes, first in ((0, [1, 4, 9]), (400 * MB, [-1])):
            taken = [(one, list(workers.map(errands.square, [5, 6, 7], nbytes))) for one in _squares(workers, nbytes)]
            assert taken == [(one, [25, 36, 49]) for one in first]
        assert list(_squares(workers, 400 * MB)) == [-1]


def _squares(workers: Chosen, nbytes: int) -> Iterator[int]:
    return workers.map(errands.square, [1, 2, 3], nbytes)


def test_small_work_imports_nothing_of_processes() -> None:
    """The program does not wait for what it needs for large dumps only."""
    script = (
        "import sys, gradclip_cli.pipeline\nfrom gradclip_cli.engine.executors.choice import Chosen\n"
        "with Chosen() as workers:\n    assert list(workers.map(abs, [-1, -2], 1 << 20)) == [1, 2]\n"
        "names = {'socket', 'selectors', 'multiprocessing', 'gradclip_cli.engine.executors.processes'}\n"
        "print(sorted(names & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ})
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("jobs", "before", "nbytes", "expected"),
    [(16, 0, 400, True), (16, 0, 399, False), (16, 380, 32, True), (16, 800, 31, False), (3, 0, 4000, False)],
)
def test_whether_a_map_would_leave(jobs: int, before: int, nbytes: int, expected: bool) -> None:
    """Who cuts the work into tasks can ask where they will run, without counting it."""
    with Chosen(jobs) as workers:
        if before:
            list(workers.map(errands.square, [1, 2], before * MB))
        assert [workers.leaves(nbytes * MB) for _ in range(2)] == [expected, expected]
