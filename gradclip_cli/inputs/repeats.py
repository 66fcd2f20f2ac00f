"""Settle steps that lie in several files, of which at least one holds more than one step.

Steps in the names of files are settled before anything is read (`same_step`); those inside files are known only afterwards.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import REPEATED
from gradclip_cli.inputs.naming import natural
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable

Item = TypeVar("Item")


class StepPlace(NamedTuple):
    """The step of a dump, and the file that holds it, alone or `inside` a series."""

    step: int | None
    path: str
    inside: bool


def settled(
    items: Sequence[Item], place_of: Callable[[Item], StepPlace], repeated: str | None, *, whole_files: bool = False
) -> tuple[list[Item], list[Note]]:
    """Take one of the dumps of each step that several files hold, as `repeated` says; return notes, too.

    With `whole_files` nothing inside a file can be left out. Raise UsageError then, or if `repeated` refuses such steps, or if
    it is None and the files begin at the same step: they are two runs.
    """
    places = [place_of(item) for item in items]
    twice = _twice(places)
    if not twice or repeated == "keep":
        return list(items), []
    first = twice[min(twice)]
    example = f"step {min(twice)} is in {printable(first[0])} and {printable(first[1])}"
    if repeated == "error" or whole_files:
        why = ", and apply leaves out no step of a file" if whole_files and repeated != "error" else ""
        raise UsageError(f"{example}{why}; give one of them alone, or --repeated keep")
    if repeated is None:
        _refuse_two_runs(places, first)
    which = repeated or "last"
    taken = {step: paths[0] if which == "first" else paths[-1] for step, paths in twice.items()}
    kept = [
        item
        for item, place in zip(items, places, strict=True)
        if place.step not in taken or taken[place.step] == place.path
    ]
    return kept, [repeated_note(len(twice), f": {example}", which)]


def repeated_note(times: int, example: str, which: str) -> Note:
    """Note steps of which only one dump is taken, the first or the last, with an example that follows `came twice`."""
    what = f"{plural(times, 'step')} came twice{example}; the {which} of each is taken"
    choice = f"--repeated {', '.join(REPEATED[:-1])} or {REPEATED[-1]} chooses otherwise"
    return Note("repeated", f"{what}; {choice}", times, changes_figures=True)


def _twice(places: Sequence[StepPlace]) -> dict[int, list[str]]:
    """Return the steps that several files hold, with those files in natural order."""
    if not any(place.inside for place in places):
        return {}
    found: dict[int, dict[str, None]] = {}
    for place in places:
        if place.step is not None:
            found.setdefault(place.step, {})[place.path] = None
    return {step: sorted(paths, key=natural) for step, paths in found.items() if len(paths) > 1}


def _refuse_two_runs(places: Sequence[StepPlace], files: Sequence[str]) -> None:
    firsts: dict[str, int] = {}
    for place in places:
        if place.step is not None:
            firsts[place.path] = min(firsts.get(place.path, place.step), place.step)
    if firsts[files[0]] == firsts[files[1]]:
        one, other = map(printable, files[:2])
        raise UsageError(
            f"{one} and {other} both begin at step {firsts[files[0]]}, so they are two runs and no series: "
            "give each alone, or --repeated keep"
        )
