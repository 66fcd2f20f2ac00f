"""What logged norms are not is said."""

from gradclip_cli.inputs.norm_logs.remarks import remarks
from gradclip_cli.inputs.norm_logs.series import Series


def texts(steps: list[int], values: list[float], every: int | None = None, digits: int | None = None) -> list[str]:
    """The notes on a series, without its path."""
    series = Series()
    for step, value in zip(steps, values, strict=True):
        series.add(step, value)
    series.digits = digits
    return [note.text.removeprefix("run.log: ") for note in remarks("run.log", series, every, 0)]


def test_gaps() -> None:
    """Where most steps are as far apart, the norms between them are missing; the log may say so itself."""
    said = "the norm of every 5th step only: spikes between them are not in it"
    assert texts([5, 10, 15, 20], [1, 2, 3, 4]) == [said]
    assert texts([-1, -1], [1, 2], every=5) == [said]
    assert texts([1, 2, 3, 4], [1, 2, 3, 4]) == texts([1, 2, 9, 30], [1, 2, 3, 4]) == []


def test_after_clipping() -> None:
    """Norms that many steps share and none exceeds were logged after clipping, perhaps."""
    values = [1.0, 0.5, 1.0, 0.9999999, 0.25, 1.0, 1.0, 0.75]
    assert texts(list(range(8)), values) == ["norms end at 1 exactly in 62 % of the steps: logged after clipping?"]
    assert texts(list(range(8)), [*values[:-1], 1.5]) == []
    assert texts([1, 2, 3], [1.0, 1.0, 1.0]) == []


def test_few_digits() -> None:
    """No figure has more digits than the log."""
    assert len(texts([1, 2], [0.8, 0.7], digits=2)) == 1
    assert texts([1, 2], [0.8, 0.7], digits=3) == []
