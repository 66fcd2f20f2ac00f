"""Rounds are as many as there is time for, and their medians are taken."""

import sys
from pathlib import Path

import pytest

from benchmarks import measuring
from benchmarks.measuring import Figures, Patience, measure
from benchmarks.rows import Comparison, Distance, Work
from benchmarks.serving import Served
from benchmarks.timing import Run

COMPARISON = Comparison("b", "python -c pass", (Work("a", "python -c pass", 1.5, 100), Work("c", "python -c pass")))


@pytest.mark.parametrize(
    ("done", "now", "lasts"),
    [
        (0, 1000, True),  # late, but the first
        (1, 90, True),  # above 10 seconds for each of two works, but the second
        (1, 101, False),  # all has to end
        (2, 69, True),
        (2, 71, False),
        (5, 60, False),  # as many as wanted
    ],
)
def test_rounds(done: int, now: float, lasts: bool) -> None:
    """There are two rounds at least where time allows, and more as long as the works of a comparison have time left."""
    assert Patience(rounds=5, seconds=10, deadline=100).lasts(done, works=2, begin=50, now=now) is lasts


def faked(monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> list[bool]:
    """Let commands take what is written down; return whether each was watched."""
    given, watched = iter(runs), []

    def run(command: list[str], watch: bool) -> Run:
        assert command == [sys.executable, "-c", "pass"]
        watched.append(watch)
        return next(given)

    monkeypatch.setattr(measuring, "timed", run)
    return watched


def test_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ratios are medians of those of the rounds, without the first, which was watched for memory."""
    rounds = [(9, 9, 9), (2, 3, 1), (1, 4, 1), (4, 4, 1)]
    watched = faked(monkeypatch, [Run(s, 2 * s, 50 * k) for one in rounds for k, s in enumerate(one, start=1)])
    a, c = measure(COMPARISON, {}, Patience(4, 1e9, 1e18), lambda: None)
    assert a == Figures("a", "b", None, 4, 2, 1.5, 1.5, 1.5, 100, 50, 100, 3)
    assert (c.seconds, c.ratio, c.peak_mib) == (1, 0.5, 150)
    assert watched == [True] * 3 + [False] * 9


def test_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are but two rounds, both count."""
    faked(monkeypatch, [Run(s, s, 10) for s in (1, 2, 1, 1, 4, 1)])
    assert measure(COMPARISON, {}, Patience(2, 1e9, 1e18), lambda: None)[0].ratio == 3


def test_outputs_are_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command wrote is gone before the next begins, and at the end."""
    faked(monkeypatch, [Run(1, 1, 1)] * 3)
    tidied: list[int] = []
    measure(COMPARISON, {}, Patience(1, 0, 0), lambda: tidied.append(1))
    assert len(tidied) == 4


class Counting:
    """Stands in for a server: the n-th command made n requests for 100 bytes each."""

    def __init__(self) -> None:
        self.begun: list[Distance] = []

    def begin(self, distance: Distance) -> None:
        """Count a command."""
        self.begun.append(distance)

    def served(self) -> Served:
        """Say what the last command asked for."""
        return Served(len(self.begun), 100 * len(self.begun))


def test_what_a_server_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests and bytes are the most of a round, bytes as a share of the dump; a work may be so many seconds longer."""
    faked(monkeypatch, [Run(s, s, 10) for s in (1, 2, 1, 2)])
    dump, far = tmp_path / "g", Distance(0.03, 9e7)
    dump.write_bytes(bytes(1000))
    work = Work("a", "python -c pass {at_f32}", 1.0, more=0.5, most_requests=3, fetches_once=True)
    monkeypatch.setattr(measuring, "argv", lambda command, places: [sys.executable, "-c", "pass"])
    server = Counting()
    found = measure(
        Comparison("b", "python -c pass", (work,), distance=far),
        {"f32": str(dump)},
        Patience(2, 1e9, 1e18),
        lambda: None,
        server,  # type: ignore[arg-type]
    )
    assert [(row.requests, row.fetched, row.most_fetched) for row in found] == [(4, 0.4, 1.01 + (256 << 10) / 1000)]
    assert found[0].above == ["time", "requests"]
    assert found[0]._replace(more=1.0, requests=3, fetched=300.0).above == ["bytes"]
    assert server.begun == [far] * 4


@pytest.mark.parametrize(
    ("ratio", "mib", "above"),
    [(1.5, 100, []), (1.51, 100, ["time"]), (1.5, 101, ["memory"]), (2, 200, ["time", "memory"])],
)
def test_limits(ratio: float, mib: float, above: list[str]) -> None:
    """A row is above a limit when its ratio or its memory is more than that."""
    assert Figures("a", "b", None, 1, 1, ratio, 1, 1.5, mib, 1, 100, 1).above == above
