"""Steps inside files are settled like those in the names of files."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.repeats import StepPlace, settled


def places(**steps: list[int | None]) -> list[StepPlace]:
    """Return dumps inside files, by the names of those."""
    return [StepPlace(step, path, True) for path, own in steps.items() for step in own]


def found(given: list[StepPlace], repeated: str | None = None) -> list[str]:
    """Return the dumps taken, as path and step."""
    return [f"{place.path}{place.step}" for place in settled(given, lambda place: place, repeated)[0]]


RESUMED: dict[str, list[int | None]] = {"job_9": [0, 1, 2], "job_10": [1, 2, 3, None]}


@pytest.mark.parametrize(
    ("repeated", "expected"),
    [
        (None, ["job_90", "job_101", "job_102", "job_103", "job_10None"]),
        ("last", ["job_90", "job_101", "job_102", "job_103", "job_10None"]),
        ("first", ["job_90", "job_91", "job_92", "job_103", "job_10None"]),
        ("keep", ["job_90", "job_91", "job_92", "job_101", "job_102", "job_103", "job_10None"]),
    ],
)
def test_a_resumed_run(repeated: str | None, expected: list[str]) -> None:
    """Each step is taken once, from the first or the last file in natural order, unless all are kept."""
    assert found(places(**RESUMED), repeated) == expected


def test_a_note_counts_the_steps() -> None:
    """A note gives an example, and stays where a user wants no output but errors."""
    _, (note,) = settled(places(**RESUMED), lambda place: place, None)
    assert (note.kind, note.times, note.changes_figures) == ("repeated", 2, True)
    assert note.text.startswith("2 steps came twice: step 1 is in job_9 and job_10; the last of each is taken")


def test_what_is_refused() -> None:
    """Two runs, --repeated error, and the output of a part of a file are wrong usage."""
    with pytest.raises(UsageError, match="a and b both begin at step 1, so they are two runs"):
        found(places(a=[1, 2], b=[1, 2]))
    with pytest.raises(UsageError, match="step 1 is in job_9 and job_10; give one of them alone"):
        found(places(**RESUMED), "error")
    with pytest.raises(UsageError, match="apply leaves out no step of a file"):
        settled(places(**RESUMED), lambda place: place, "last", whole_files=True)


def test_files_of_one_step_are_settled_before() -> None:
    """Where no file holds more than one step, nothing is left to settle."""
    given = [StepPlace(1, "a", False), StepPlace(1, "b", False)]
    assert settled(given, lambda place: place, "error") == (given, [])
    given = places(a=[1, 2], b=[3, None])
    assert settled(given, lambda place: place, "error", whole_files=True) == (given, [])
