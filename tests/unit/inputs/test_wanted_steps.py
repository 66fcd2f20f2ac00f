"""What a user writes for steps becomes ranges, and is refused where it is none."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.wanted_steps import WantedSteps, listed, parse_steps, refuse_slices


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("41", ((41, 41),)),
        (41, ((41, 41),)),
        ("40:45", ((40, 45),)),
        ("40-45", ((40, 45),)),
        ("40:", ((40, None),)),
        (":45", ((None, 45),)),
        (" 0-8, 41 ,60: ", ((0, 8), (41, 41), (60, None))),
        ("007", ((7, 7),)),
    ],
)
def test_ranges(text: str | int, spans: tuple[tuple[int | None, int | None], ...]) -> None:
    """Both ends are in a range, an open end is None, and what is parsed stays as it is."""
    found = WantedSteps.parse(text)
    assert found.spans == spans
    assert parse_steps(found) is found
    assert str(found) == str(text).strip()


@pytest.mark.parametrize(
    "text", ["", " ", ":", "-", "-4", "4-", "x", "1.5", "1,,2", "1:2:3", "5-3", "9:8", "1" * 21, "٣", -1]
)
def test_what_is_none_is_refused(text: str | int) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(UsageError, match="step"):
        WantedSteps.parse(text)


def test_a_range_that_is_turned_around_is_written_as_it_should_be() -> None:
    """The error names the range to write."""
    with pytest.raises(UsageError, match="45-40 ends before it begins; write 40:45"):
        WantedSteps.parse("1, 45-40")


@pytest.mark.parametrize(
    ("text", "taken"), [("2", [2]), ("2:4", [2, 3, 4]), (":1", [0, 1]), ("4:", [4, 5]), ("0,5", [0, 5])]
)
def test_steps_that_are_taken(text: str, taken: list[int]) -> None:
    """A step is taken if it is in any range; what has no step never is."""
    wanted = WantedSteps.parse(text)
    assert [step for step in range(6) if wanted.takes(step)] == taken
    assert not wanted.takes(None)


def test_none_is_all() -> None:
    """Without the option every step is taken."""
    assert parse_steps(None) is None


def test_a_refusal_names_the_steps_there_are() -> None:
    """They are listed as ranges, the first eight of them."""
    wanted = WantedSteps.parse("7")
    assert wanted.refusal("run", [3, 2, 1, None]).message == "--steps 7 takes nothing of run; steps are 1-3"
    assert "has no step that --steps 7 could take" in wanted.refusal("run", [None]).message
    assert listed(range(0, 100, 10)) == "0, 10, 20, 30, 40, 50, 60, 70 and 2 more"


def test_slices_and_steps_exclude_each_other_in_some_commands() -> None:
    """Only both together are refused."""
    refuse_slices("1", None)
    refuse_slices(None, 0)
    with pytest.raises(UsageError, match="exclude each other"):
        refuse_slices("1", 0)
