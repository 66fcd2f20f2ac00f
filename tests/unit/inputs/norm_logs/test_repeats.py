"""Steps that come twice: lines of ranks, a run that was resumed, or norms of shards."""

import math

import pytest

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.norm_logs.repeats import once_a_step
from gradclip_cli.inputs.norm_logs.series import Series


def series(*pairs: tuple[int, float]) -> Series:
    """A series of steps and values."""
    found = Series()
    for step, value in pairs:
        found.add(step, value)
    return found


def settled(*pairs: tuple[int, float], repeated: str | None = None) -> tuple[list[tuple[int, float]], list[str]]:
    """The steps and values that are left, and the kinds of the notes."""
    found, notes = once_a_step(series(*pairs), "run.log", repeated)
    return list(zip(found.steps, found.values, strict=True)), [note.kind for note in notes]


RESUMED = (1, 1.0), (2, 2.0), (3, 3.0), (2, 2.5), (3, 3.5), (4, 4.0)


def test_lines_of_ranks() -> None:
    """The same value of a step counts once, side by side or not, NaN too."""
    assert settled((1, 1.0), (1, 1.0), (2, math.inf), (1, 1.0), (2, math.inf)) == ([(1, 1.0), (2, math.inf)], [])
    assert len(series((1, math.nan), (1, math.nan)).values) == 1


def test_a_resumed_run() -> None:
    """A run that goes back to an earlier step takes the place of what was there, or as --repeated says."""
    last = [(1, 1.0), (2, 2.5), (3, 3.5), (4, 4.0)]
    assert settled(*RESUMED) == (last, ["resumed"])
    assert settled(*RESUMED, repeated="last") == (last, ["resumed"])
    assert settled(*RESUMED, repeated="first") == ([(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)], ["resumed"])
    assert settled(*RESUMED, repeated="keep")[0] == [(1, 1.0), (2, 2.0), (2, 2.5), (3, 3.0), (3, 3.5), (4, 4.0)]
    with pytest.raises(UsageError, match="step 2 came twice"):
        settled(*RESUMED, repeated="error")


def test_norms_of_shards() -> None:
    """Other values of one step, without going back or back and forth, are those of ranks."""
    with pytest.raises(InputError, match=r"step 1 is there with 1 and 1.5; ranks differ"):
        settled((1, 1.0), (1, 1.5))
    mixed = [(step + k % 2, 1.0 + rank) for step in range(0, 40, 2) for rank in (0, 1) for k in (0, 1)]
    with pytest.raises(InputError, match="ranks differ"):
        settled(*mixed)


def test_several_runs_in_one_log() -> None:
    """Where steps begin anew, the last run is taken, or the first, and never a mixture; the same again is one."""
    rows = [(0, 1.0), (1, 1.1), (2, 1.2), (0, 2.0), (1, 2.1)]
    assert settled(*rows) == ([(0, 2.0), (1, 2.1)], ["several-runs"])
    assert settled(*rows, repeated="first") == ([(0, 1.0), (1, 1.1), (2, 1.2)], ["several-runs"])
    assert settled(*rows, repeated="keep")[0] == [(0, 1.0), (0, 2.0), (1, 1.1), (1, 2.1), (2, 1.2)]
    assert settled((0, 1.0), (1, 1.1), (0, 1.0), (1, 1.1)) == ([(0, 1.0), (1, 1.1)], [])


def test_steps_of_each_epoch() -> None:
    """Steps that come back in each epoch are numbered on; in a resumed run epochs do not grow."""
    one = Series()
    for epoch in range(3):
        for step in (0, 10, 20):
            one.add(step, epoch + step / 100, None, float(epoch))
    found, (note,) = once_a_step(one, "log")
    assert list(zip(found.steps, found.values, strict=True)) == [
        (10 * k, k // 3 + k % 3 / 10) for k in range(9)
    ]  # fmt: skip
    assert note.text == "log: steps come back in each of 3 epochs, so they are numbered on: the second begins at 30"
    one = Series()
    for part, step in ((0.0, 0), (0.1, 10), (0.0, 0), (0.1, 10)):
        one.add(step, 1.0 + len(one.steps), None, part)
    assert [note.kind for note in once_a_step(one, "log")[1]] == ["several-runs"]


def test_steps_in_disorder() -> None:
    """Steps are put in order; norms without one are left out where others have one."""
    assert settled((3, 3.0), (1, 1.0), (-1, 9.0)) == ([(1, 1.0), (3, 3.0)], ["no-step"])
    assert settled((-1, 9.0), (-1, 8.0)) == ([(-1, 9.0), (-1, 8.0)], [])
