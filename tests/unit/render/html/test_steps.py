from collections.abc import Iterator
from typing import Any

from gradclip_cli.render.html.figures import pictures
from gradclip_cli.render.html.steps import axis_title, name_of, places
from gradclip_cli.reports.stats import StatsDump
from unit.render.html.made import run_of


def dumps(*steps: int | None) -> list[StatsDump]:
    """Dumps of these steps."""
    return [StatsDump(f"run/{k}.npz", step, 1.0, 1.0, 0) for k, step in enumerate(steps)]


def test_dumps_stand_at_their_steps() -> None:
    """A dump stands at its step, and one without a step behind the last."""
    assert places(dumps(3, 10, 40, None, None)) == [3, 10, 40, 41, 42]


def test_dumps_without_steps_are_counted() -> None:
    """Where no dump has a step, or steps do not ascend, the axis counts dumps."""
    assert places(dumps(None, None)) == places(dumps(5, 5)) == [0, 1]
    assert (axis_title(dumps(None, None)), axis_title(dumps(1, 2))) == ("dump", "step")


def test_ticks_stand_at_steps() -> None:
    """Nothing is between two steps, however few there are."""
    run = run_of(["a", "b"], [[1.0, 2.0], [1.0, float("nan")]])
    for picture in pictures(run).values():
        for axis in axes_of(picture.alone):
            assert axis.get("tickMinStep") == 1 or axis["values"]
            assert axis["format"] == "d"


def axes_of(view: Any) -> Iterator[dict[str, Any]]:
    """The axes of steps in a view."""
    if isinstance(view, list):
        for one in view:
            yield from axes_of(one)
    elif isinstance(view, dict):
        if view.get("title") == "step" and "axis" in view:
            yield view["axis"]
        for one in view.values():
            yield from axes_of(one)


def test_a_dump_is_named_by_its_step_or_file() -> None:
    """A dump without a step is named by its file."""
    assert [name_of(dump) for dump in dumps(7, None)] == ["7", "1.npz"]
