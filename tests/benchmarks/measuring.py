"""Run commands in turn, A B A B …, and take the medians: seconds, their ratio, memory."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks.commands import argv
from benchmarks.rows import Comparison, Work
from benchmarks.timing import Run, timed


class Figures(NamedTuple):
    """What was measured of one work, and what it may be at most; `ratio` is the median of those of the rounds."""

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

    @property
    def above(self) -> list[str]:
        """Which of the limits it is above."""
        pairs = (("time", self.ratio, self.most), ("memory", self.peak_mib, self.most_mib))
        return [what for what, value, most in pairs if most is not None and value > most]


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
    comparison: Comparison, places: Mapping[str, str], patience: Patience, tidy: Callable[[], None]
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
            rounds[-1].append(timed(side, watch=len(rounds) == 1))
    tidy()
    theirs, *all_ours = zip(*rounds, strict=True)
    return [_figures(comparison, work, ours, theirs) for work, ours in zip(comparison.works, all_ours, strict=True)]


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
        rounds=len(pairs),
    )
