"""Run commands in turn, A B A B …, and take the medians: seconds, their ratio, memory; of a server, the most that was asked for."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import argv, dumps_in
from benchmarks.rows import Comparison, Work
from benchmarks.serving import Server
from benchmarks.timing import Run, timed


class Figures(NamedTuple):
    """What was measured of one work, and what it may be at most; `ratio` is the median of those of the rounds.

    `fetched` is how many times as many bytes as the dump has were fetched from a server.
    """

    work: str
    compared: str
    jobs: int | None
    seconds: float
    compared_seconds: float
    ratio: float
    cpu_ratio: float
    most: float | None
    peak_mib: float
    compared_mib: float
    most_mib: float | None
    rounds: int
    more: float = 0.0
    requests: int | None = None
    most_requests: int | None = None
    fetched: float | None = None
    most_fetched: float | None = None
    most_processors: float | None = None

    @property
    def above(self) -> list[str]:
        """Which of the limits it is above."""
        # seconds of difference are taken from the medians, without which the ratio is that of the rounds
        ratio = (self.seconds - self.more) / self.compared_seconds if self.more else self.ratio
        pairs = (
            ("time", ratio, self.most),
            ("processors", self.cpu_ratio, self.most_processors),
            ("memory", self.peak_mib, self.most_mib),
            ("requests", self.requests, self.most_requests),
            ("bytes", self.fetched, self.most_fetched),
        )
        return [what for what, value, most in pairs if None not in (value, most) and value > most]  # type: ignore[operator]


class Patience(NamedTuple):
    """How often a comparison is repeated: rounds at most, seconds for each of its works, and when it all has to end."""

    rounds: int
    seconds: float
    deadline: float

    def lasts(self, done: int, works: int, begin: float, now: float) -> bool:
        """Whether another round is to begin: the first in any case, and a second unless it all has to end."""
        if done == 0:
            return True
        return done < self.rounds and now < self.deadline and (done == 1 or now - begin < self.seconds * works)


def measure(
    comparison: Comparison,
    places: Mapping[str, str],
    patience: Patience,
    tidy: Callable[[], None],
    server: Server | None = None,
) -> list[Figures]:
    """Run all sides in turn; `tidy` takes away what the last one wrote.

    Memory is looked at in the first round, which does not count for time where there are more than two.
    """
    sides = [argv(command, places) for command in (comparison.command, *(work.command for work in comparison.works))]
    begin = time.monotonic()
    rounds: list[list[Run]] = []
    while patience.lasts(len(rounds), len(comparison.works), begin, time.monotonic()):
        rounds.append([])
        for side in sides:
            tidy()
            if server is not None and comparison.distance is not None:
                server.begin(comparison.distance)
            rounds[-1].append(timed(side, watch=len(rounds) == 1))
            if server is not None:
                served = server.served()
                rounds[-1][-1] = rounds[-1][-1]._replace(requests=served.requests, fetched=served.nbytes)
    tidy()
    theirs, *all_ours = zip(*rounds, strict=True)
    found = []
    for work, ours in zip(comparison.works, all_ours, strict=True):
        figures = _figures(comparison, work, ours, theirs)
        found.append(figures if comparison.distance is None else _of_server(figures, work, ours, places))
    return found


SPARE, TIMES = 256 << 10, 1.01
"""What may be fetched of a dump besides its bytes, for each file and in all."""


def _of_server(figures: Figures, work: Work, runs: tuple[Run, ...], places: Mapping[str, str]) -> Figures:
    """Add the most that was asked for in a round, and what it may be."""
    paths = [Path(places[name]) for name in dumps_in([work.command])]
    files = [file.stat().st_size for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
    return figures._replace(
        requests=max(run.requests for run in runs),
        most_requests=work.most_requests,
        fetched=max(run.fetched for run in runs) / sum(files),
        most_fetched=TIMES + len(files) * SPARE / sum(files) if work.fetches_once else None,
    )


def _figures(comparison: Comparison, work: Work, ours: tuple[Run, ...], theirs: tuple[Run, ...]) -> Figures:
    counted = slice(1 if len(ours) > 2 else 0, None)
    pairs = list(zip(ours[counted], theirs[counted], strict=True))
    return Figures(
        work=work.name,
        compared=comparison.to,
        jobs=comparison.jobs,
        seconds=statistics.median(one.seconds for one, _ in pairs),
        compared_seconds=statistics.median(comparison.allowed(other.seconds) for _, other in pairs),
        ratio=statistics.median(one.seconds / comparison.allowed(other.seconds) for one, other in pairs),
        cpu_ratio=statistics.median(one.cpu_seconds / comparison.allowed(other.cpu_seconds) for one, other in pairs),
        most=work.most,
        peak_mib=ours[0].peak_mib,
        compared_mib=theirs[0].peak_mib,
        most_mib=work.most_mib,
        most_processors=work.most_processors,
        rounds=len(pairs),
        more=work.more,
    )
