"""The dumps of a series become its norms, in the order of their steps, or are refused by name."""

import math

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.commands.stats.collect import collect
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.strategies import find
from gradclip_cli.strategies.base import Norm
from unit.commands.stats.made import STEPS, series_of, surveys


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"a.w": [1.0]}, r"lacks b\.b, b\.w"),
        ({**STEPS[0], "c": [1.0]}, r"also has c"),
        ({"x": [1.0]}, "lacks .* and also has x"),
    ],
)
def test_other_tensors_than_the_first(other: dict[str, list[float]], reason: str) -> None:
    """A dump that lacks a tensor, or has one more, is refused by name."""
    with pytest.raises(InputError, match=reason) as caught:
        series_of(STEPS[0], other)
    assert caught.value.path == "step1.npz"


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("clip-by-global-norm", [13, 26]),
        ("clip-l2-per-layer", [4, math.hypot(3, 12), 8, math.hypot(6, 24)]),
        ("clip-by-norm", [4, 3, 12, 8, 6, 24]),
    ],
)
def test_samples_are_what_a_strategy_compares(strategy: str, expected: list[float]) -> None:
    """Samples are one a dump, one a layer and dump, or one a tensor and dump."""
    dumps = (dump_of({name: np.array(values) for name, values in step.items()}) for step in STEPS)
    norms = collect(surveys(dumps), StatsPlan((single("a"),))).norms
    assert norms.compared(find(strategy)).samples.finite.tolist() == pytest.approx(expected, rel=1e-15)


def test_elementwise_samples_are_the_largest_elements() -> None:
    """For the element-wise strategy the samples are the largest |g| of each tensor, whatever the norm type."""
    dumps = (dump_of({"a": np.array([-5.0, 4.0]), "b": np.array([np.nan, 1.0])}, (1.0,)) for _ in range(1))
    norms = collect(surveys(dumps), StatsPlan((single("a"),), norm=Norm(1.0))).norms
    found = norms.compared(find("clip-by-value")).samples
    assert (found.finite.tolist(), found.nonfinite) == ([5.0], 1)


def steps_of(*steps: int | None) -> list[int | None]:
    """The steps of a series that was collected from dumps at these steps, whose norms tell the order in which they were given."""
    dumps = [dump_of({"a": np.array([float(k)])}, step=step) for k, step in enumerate(steps)]
    norms = collect(surveys(dumps), StatsPlan((single("a"),))).norms
    given = norms.total.norms[:, 0].astype(int).tolist()
    assert [step.number for step in norms.steps] == [steps[k] for k in given] or given == list(range(len(steps)))
    return [step.number for step in norms.steps]


def test_dumps_are_in_the_order_of_their_steps() -> None:
    """Norms are sorted by step."""
    assert steps_of(10, 2, 7) == [2, 7, 10]


def test_without_a_step_a_dump_comes_last() -> None:
    """A dump without a step comes last; the others keep their steps."""
    assert steps_of(10, None, 7) == [7, 10, None]


@pytest.mark.parametrize("skip", [2, 5])
def test_skipping_every_dump_is_wrong_usage(skip: int) -> None:
    """Where no dump is left after those that are skipped, there is nothing to summarise."""
    with pytest.raises(UsageError, match="skip-steps"):
        series_of(*STEPS, plan=StatsPlan((single("a"),), skip_steps=skip))


def test_an_include_that_matches_nothing() -> None:
    """An --include that matches no tensor is wrong usage."""
    with pytest.raises(UsageError, match=r"--include 'zz\*'"):
        series_of(*STEPS, plan=StatsPlan((single("a"),), selection=Selection(("zz*",))))


def test_what_fails_is_left_out_and_told() -> None:
    """With `keep_going` a dump with other tensors is an error in the report, and the rest is as if it were not there."""
    found = series_of({"a": [3.0]}, {"b": [4.0]}, {"a": [5.0]}, plan=StatsPlan((single("a"),), keep_going=True))
    assert [dump.norm for dump in found.dumps] == [3.0, 5.0]
    assert ["other tensors" in str(error) for error in found.failed] == [True]


def test_where_all_fails_the_first_error_is_raised() -> None:
    """Nothing is worth having of no dump."""

    def broken() -> list[MeasuredDump]:
        raise InputError("is broken", path="a")

    with pytest.raises(InputError, match="is broken"):
        collect([broken, broken], StatsPlan((single("a"),), keep_going=True))


def test_other_shapes_than_the_first() -> None:
    """A dump with a tensor of another shape is refused by name, unless dumps may differ."""
    steps = {"a": [3.0], "b": [4.0]}, {"a": [3.0], "b": [4.0, 0.0]}
    with pytest.raises(InputError, match=r"has other shapes than the first dump: b is \(2,\), not \(1,\)"):
        series_of(*steps)
    plan = StatsPlan((single("a"),), allow_missing=True)
    assert len(series_of(*steps, plan=plan).dumps) == 2


def test_nothing_is_asked_of_what_is_skipped() -> None:
    """The first dumps are passed over though they are broken or have other tensors: they are counted all the same."""

    def broken() -> list[MeasuredDump]:
        raise InputError("is broken", path="a")

    dumps = [dump_of({name: np.ones(1)}, step=k) for k, name in enumerate("xaa")]
    given = [broken, *surveys(dumps)]
    for keep_going in (False, True):
        layout, norms, failed, *_ = collect(given, StatsPlan((single("a"),), skip_steps=2, keep_going=keep_going))
        assert ([spec.name for spec in layout.specs], len(norms.steps), failed) == (["a"], 2, [])
    with pytest.raises(InputError, match="is broken"):
        collect(given, StatsPlan((single("a"),)))
    with pytest.raises(InputError, match="other tensors"):
        collect(given, StatsPlan((single("a"),), skip_steps=1))
