"""Say what is new in the report of a run that goes on: dumps, and what has happened since the report before."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.reports.following import Event, Explodes, NotFinite, Threshold
from gradclip_cli.reports.stats import StatsDump, StatsReport
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR
from gradclip_cli.thresholds.explosions import explosions

_SCOPE = "event"

Place = tuple[str, int | None, str | None, int]


class Followed(NamedTuple):
    """A report of all dumps so far, the dumps that are new in it or have changed, what has happened, and what must be said.

    The report is None if nothing can be read yet.
    """

    report: StatsReport | None
    dumps: list[StatsDump]
    events: list[Event]
    warnings: list[str]


class Told:
    """What was said so far; `chosen` says that the user chose the rule, which counts then in place of the advised one."""

    def __init__(self, *, chosen: bool = False) -> None:
        self._dumps: dict[Place, str] = {}
        self._exploded, self._bad = set[Place](), set[Place]()
        self._thresholds: dict[str, float | None] = {}
        self._warnings = set[str]()
        self._chosen = chosen

    def new(self, report: StatsReport) -> Followed:
        """Return what a report says that was not yet said."""
        places = _places(report.dumps)
        dumps = [dump for place, dump in zip(places, report.dumps, strict=True) if self._dumps.get(place) != repr(dump)]
        self._dumps.update(zip(places, map(repr, report.dumps), strict=True))
        events: list[Event] = [*self._not_finite(report, places), *self._explosions(report, places)]
        events += self._new_thresholds(report)
        warnings = [*map(str, report.failed), *(note.text for note in report.notes)]
        return Followed(report, dumps, events, self.warned(warnings))

    def warned(self, texts: Sequence[str]) -> list[str]:
        """Return those of some warnings that were not yet said."""
        found = [text for text in dict.fromkeys(texts) if text not in self._warnings]
        self._warnings.update(found)
        return found

    def _not_finite(self, report: StatsReport, places: Sequence[Place]) -> Iterator[NotFinite]:
        first = {(str(one.input), one.step): one.name for one in reversed(report.nonfinite)}
        for place, dump in zip(places, report.dumps, strict=True):
            if dump.nonfinite and place not in self._bad:
                self._bad.add(place)
                tensor = first.get((str(dump.input), dump.step))
                elements = dump.nonfinite if report.source is None else None
                yield NotFinite(_SCOPE, "not-finite", dump.input, dump.step, elements, tensor)

    def _explosions(self, report: StatsReport, places: Sequence[Place]) -> Iterator[Explodes]:
        norms = np.array([[dump.norm] for dump in report.dumps])
        with np.errstate(all="ignore"):
            high = explosions(norms, np.isfinite(norms), EXPLODING_FACTOR, EXPLODING_DUMPS)
        for row in np.flatnonzero(high.steps[:, 0]).tolist():
            if places[row] not in self._exploded:
                self._exploded.add(places[row])
                dump = report.dumps[row]
                times = dump.norm / high.usual.item(row, 0)
                yield Explodes(_SCOPE, "explodes", dump.input, dump.step, dump.norm, times)

    def _new_thresholds(self, report: StatsReport) -> Iterator[Threshold]:
        shown = [one.strategy for one in report.advised]
        known = [one for one in report.suggestions if one.strategy in shown] if self._chosen else report.advised
        for one in known:
            name, threshold = one.strategy, one.threshold
            before = self._thresholds.get(name)
            if threshold is not None and (before is None or f"{threshold:.4g}" != f"{before:.4g}"):
                self._thresholds[name] = threshold
                yield Threshold(_SCOPE, "threshold", name, one.rule, threshold, before, report.total.count)


def _places(dumps: Sequence[StatsDump]) -> list[Place]:
    """Tell dumps apart: by file and step, and those that have the same by their order."""
    seen = Counter[tuple[str, int | None, str | None]]()
    found = []
    for dump in dumps:
        key = str(dump.input), dump.step, dump.name
        found.append((*key, seen[key]))
        seen[key] += 1
    return found
