"""Pair the steps of two runs: by number, or in order where no step is known."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from gradclip_cli.commands.diff.sides import Place
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable, ranges


class StepPair(NamedTuple):
    """A step of two runs; one of them may lack it."""

    a: Place | None
    b: Place | None

    @property
    def either(self) -> Place:
        """The step in the run that has it, in A if both do."""
        found = self.a or self.b
        if found is None:
            raise ValueError("neither run has this step")
        return found

    @property
    def name(self) -> str:
        """The step as tables show it."""
        place = self.either
        return place.epoch_name or (str(place.step) if place.step is not None else "")


def check_both_runs(a: Sequence[Place], b: Sequence[Place], paths: tuple[str, str]) -> None:
    """Raise UsageError if one side is a dump and the other a run."""
    if (len(a) == 1) == (len(b) == 1):
        return
    one, several, path = (a[0], b, paths[1]) if len(a) == 1 else (b[0], a, paths[0])
    raise UsageError(f"{printable(path)} holds {plural(len(several), 'dump')}; {_advice(one, several)}")


def _advice(one: Place, several: Sequence[Place]) -> str:
    """Say how to give one dump: that of the same step, if there is one."""
    same = next((place for place in several if place.step is not None and place.step == one.step), several[0])
    if together := _together(several):
        return f"give one dump, such as {printable(same.source.location)}, or {together}"
    if same.group:
        return f"give a run on both sides, or one step of it by --step {same.step}"
    other = f"--step {one.step} for both" if same.step is not None and same.step == one.step else "a run on both sides"
    return f"give one dump, such as {printable(same.source.location)}, or {other}"


def _together(places: Sequence[Place]) -> str:
    """Return the option that makes one dump of files that look like parts of one; empty if they do not."""
    hints = ranks.hint([place.source for place in places if place.step is None])
    options = {"ranks": "--shards for all ranks", "micro-batches": "--accumulate mean or sum for all micro-batches"}
    return options[hints[0].kind] if hints else ""


def paired(a: Sequence[Place], b: Sequence[Place], paths: tuple[str, str]) -> tuple[list[StepPair], list[Note]]:
    """Pair the steps of two runs; return them in order, with notes on those that only one run has.

    Raise UsageError if steps have no numbers and the runs are not equally long, or if they have no step in common.
    """
    unknown = [place for place in (*a, *b) if place.step is None]
    if not unknown:
        return _by_number(a, b, paths)
    if together := _together(a):
        what = f"{printable(paths[0])} holds {plural(len(a), 'dump')}"
        raise UsageError(f"{what}; give one dump, such as {printable(a[0].source.location)}, or {together}")
    lone = printable(unknown[0].source.location)
    if any(place.step is not None for place in (*a, *b)) and any(
        len({place.step is None for place in side}) > 1 for side in (a, b)
    ):
        raise UsageError(f"{lone} names no step, and others do; --files PATTERN chooses those to compare")
    if len(a) != len(b):
        both = " and ".join(f"{printable(path)} {len(side):,}" for path, side in zip(paths, (a, b), strict=True))
        raise UsageError(f"the name of {lone} holds no step, and the runs are not equally long: {both} dumps")
    text = f"{lone}: its name holds no step, so the dumps of both runs are paired in the order of their names"
    note = Note("paired-in-order", text, len(a), changes_figures=True)
    return [StepPair(*pair) for pair in zip(a, b, strict=True)], [note]


def _by_number(a: Sequence[Place], b: Sequence[Place], paths: tuple[str, str]) -> tuple[list[StepPair], list[Note]]:
    """Pair steps by number; where steps come back in each epoch, by epoch and step."""
    by_epoch = any(place.name for place in (*a, *b))
    keyed = [{_key(place, by_epoch): place for place in side} for side in (a, b)]
    if not keyed[0].keys() & keyed[1].keys():
        both = " and ".join(
            f"{_listed(list(side))} in {printable(path)}" for path, side in zip(paths, (a, b), strict=True)
        )
        raise UsageError(
            f"the runs have no step in common: {both}; give two dumps to compare them whatever their steps"
        )
    pairs = [StepPair(keyed[0].get(key), keyed[1].get(key)) for key in keyed[0] | keyed[1]]
    pairs.sort(key=lambda pair: (pair.either.source.epoch or 0 if by_epoch else 0, pair.either.step or 0))
    notes = []
    for path, lone in (
        (paths[0], [p.a for p in pairs if p.b is None]),
        (paths[1], [p.b for p in pairs if p.a is None]),
    ):
        if places := [place for place in lone if place is not None]:
            notes.append(
                Note("only-in-one-run", f"{path}: has {_listed(places)} and the other run has not", len(places))
            )
    return pairs, notes


def _key(place: Place, by_epoch: bool) -> Hashable:
    return (place.epoch_name or place.step) if by_epoch else place.step


def _listed(places: Sequence[Place]) -> str:
    """List steps as ranges, or by their names; at most a few of them."""
    if any(place.name for place in places):
        names = [place.epoch_name or str(place.step) for place in places]
        return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
    parts = ranges(place.step for place in places if place.step is not None).split(", ")
    more = f" and {plural(len(parts) - 6, 'more range')}" if len(parts) > 6 else ""
    return f"step{'s' if len(places) > 1 else ''} {', '.join(parts[:6])}{more}"
