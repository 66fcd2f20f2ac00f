"""Find the steps on one side of a comparison, and open them one after the other."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from gradclip_cli.engine.compared_dump import ComparedDump, opened
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.ordering import by_step, epoch_name, in_step_order
from gradclip_cli.inputs.repeats import StepPlace, settled
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_named
from gradclip_cli.notes import Note
from gradclip_cli.text import printable


@dataclass(frozen=True)
class Place:
    """Where one step of a run is: its dump, or a `group` in it."""

    source: DumpSource
    step: int | None
    group: str = ""

    @property
    def name(self) -> str | None:
        """The epoch and the step in it, where steps come back in each epoch."""
        return self.source.name if not self.group else None

    @property
    def epoch_name(self) -> str | None:
        """The epoch and the step in it, as far as the name of the dump holds them."""
        return self.name or (None if self.group else epoch_name(self.source))


class Steps(NamedTuple):
    """The steps on one side, in order, and notes on them."""

    places: list[Place]
    notes: list[Note]


class Side:
    """One side of a comparison: a dump, or the dumps of a run, of which one is open at a time."""

    def __init__(self, sources: Sequence[DumpSource], run: Run) -> None:
        self.sources, self._run = sources, run
        self._stack = ExitStack()
        self._source: DumpSource | None = None
        self._steps: dict[str, ComparedDump] = {}

    def __enter__(self) -> "Side":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def steps(self, repeated: str | None) -> Steps:
        """Find the steps; raise UsageError where one is there twice. Of a run, each header is read."""
        if len(self.sources) == 1:
            self._open(self.sources[0])
            places = [Place(self.sources[0], dump.step, group) for group, dump in self._steps.items()]
            return Steps(self._wanted(places), [])
        found = [place for source in in_step_order(self.sources) for place in self._glance(source)]
        every = by_step(self._wanted(found), lambda one: one.step)
        kept, notes = settled(every, lambda one: StepPlace(one.step, one.source.location, bool(one.group)), repeated)
        _check_single(kept)
        return Steps(kept, notes)

    def _wanted(self, places: list[Place]) -> list[Place]:
        """Leave out the steps of files that the user does not want."""
        steps = self._run.selection.steps
        if steps is None or not any(place.group for place in places):
            return places
        found = [place for place in places if not place.group or steps.takes(place.step)]
        if not found:
            raise steps.refusal(printable(places[0].source.location), [place.step for place in places])
        return found

    def open(self, place: Place) -> ComparedDump:
        """Open a step, and close the dump before unless it holds this step, too."""
        if place.source is not self._source:
            self.close()
            self._open(place.source)
        return self._steps[place.group]

    def close(self) -> None:
        """Check and close the open dump; raise InputError if its checksums do not match, or if it has changed."""
        for dump in list(self._steps.values())[:1]:
            dump.verify()
        self._stack.close()
        self._source, self._steps = None, {}

    def _open(self, source: DumpSource) -> None:
        dump = self._stack.enter_context(opened(source, self._run))
        self._source, self._steps = source, {step.group: step for step in dump.steps()}

    def _glance(self, source: DumpSource) -> list[Place]:
        """Read the headers of a dump for the steps in it."""
        with self._run.open(source) as dump:
            for _ in dump.each():
                pass
        groups = step_groups([spec.name for spec in dump.tensors]).groups
        return [Place(source, step_named(group), group) for group in groups] or [Place(source, dump.step)]


def _check_single(places: Sequence[Place]) -> None:
    """Raise UsageError if a step is there twice: it is not known which of them to compare."""
    seen: dict[int, Place] = {}
    for place in places:
        if place.step is not None and (other := seen.setdefault(place.step, place)) is not place:
            both = f"{printable(other.source.location)} and {printable(place.source.location)}"
            raise UsageError(
                f"step {place.step} is in {both}; diff pairs steps by number: give --repeated first or last"
            )
