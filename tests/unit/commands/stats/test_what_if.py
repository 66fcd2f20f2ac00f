"""What strategies would do, by hand and against plain numpy in float64."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import savez

from gradclip_cli import stats
from gradclip_cli.commands.stats.plan import Trial
from gradclip_cli.errors import UsageError
from gradclip_cli.reports.stats_thresholds import Tried
from gradclip_cli.strategies import STRATEGIES, Group

Wide = NDArray[np.float64]
Step = Mapping[str, NDArray[Any]]
PLAIN = [strategy for strategy in STRATEGIES if strategy.group is not Group.UNIT]
"""The strategies whose groups are no smaller than tensors; tests/laws/test_units.py holds the others."""

DTYPES = [np.float64, np.float32, np.float16, ml_dtypes.bfloat16]


def series(folder: Path, steps: Sequence[Step]) -> Path:
    """Write dumps of steps 0, 1, 2 and so on; what has no name in numpy as two opaque bytes."""
    for k, step in enumerate(steps):
        arrays = {name: a.view("V2") if a.dtype == ml_dtypes.bfloat16 else a for name, a in step.items()}
        savez(folder / f"step_{k}.npz", **arrays)
    return folder


def tried(folder: Path, steps: Sequence[Step], *texts: str, **options: Any) -> list[Tried]:
    """Try something out on a series."""
    report = stats(series(folder, steps), tries=texts, void_dtype="bfloat16", **options)
    assert report.tries is not None
    return report.tries


def wide(step: Step) -> dict[str, Wide]:
    """The elements as float64."""
    return {name: array.astype(np.float64).ravel() for name, array in step.items()}


def norm(parts: Sequence[Wide], p: float = 2.0) -> float:
    """The P-norm of several arrays together, scaled by the largest element."""
    flat = np.abs(np.concatenate(parts))
    top = float(flat.max(initial=0)) or 1.0
    return top * float(np.linalg.norm(flat / top, p))


def after(strategy: str, step: Step, c: float, p: float = 2.0, epsilon: float = 0.0) -> dict[str, Wide]:
    """What a strategy makes of one step, in a few lines."""
    before = wide(step)
    if strategy == "none":
        return before
    if strategy == "clip-elementwise-absolute-value":
        return {name: np.clip(array, -c, c) for name, array in before.items()}
    groups: dict[str, list[str]] = {}
    for name in before:
        layer = name.partition(".")[0]
        key = name if "param" in strategy or "rms" in strategy else layer if "layer" in strategy else ""
        groups.setdefault(key, []).append(name)
    found: dict[str, NDArray[Any]] = {}
    for names in groups.values():
        if strategy.startswith("renormalize"):
            n, limit = norm([before[name] for name in names]), 1.0
        else:
            n = norm([before[name] for name in names], p) + epsilon
            n /= math.sqrt(before[names[0]].size) if "rms" in strategy else 1.0
            limit = min(c, n)
        found |= {name: before[name] / (n or 1.0) * (limit if n else 1.0) for name in names}
    return found


def cosine(x: Mapping[str, Wide], y: Mapping[str, Wide]) -> float:
    """The cosine between two dumps, each scaled by its largest element."""
    a, b = (np.concatenate([step[name] for name in x]) for step in (x, y))
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    ab, aa, bb = (math.fsum((x * y).tolist()) for x, y in ((a, b), (a, a), (b, b)))
    return ab / math.sqrt(aa) / math.sqrt(bb)


def lost(steps: Sequence[Step], strategy: str, c: float, **options: float) -> float:
    """The share of the squared norm of all steps that is gone."""
    left = norm([array for step in steps for array in after(strategy, step, c, **options).values()])
    return 1 - (left / norm([array for step in steps for array in wide(step).values()])) ** 2


def steps_of(dtype: Any, scale: float = 1.0) -> list[dict[str, NDArray[Any]]]:
    """Three steps of two layers whose sizes differ, the second step the largest."""
    rng = np.random.default_rng(3)
    sizes = {"lstm.w": (101, 97), "lstm.b": (97,), "head.w": (3, 5), "head.b": ()}
    return [
        {
            name: np.asarray(rng.standard_normal(shape) * scale * times * (0.01 if name == "lstm.w" else 0.3)).astype(
                dtype
            )
            for name, shape in sizes.items()
        }
        for times in (1.0, 20.0, 0.5)
    ]


THREE_FOUR = [{"a.w": np.array([3.0, 4.0]), "b.w": np.array([12.0])}, {"a.w": np.array([0.6, 0.8]), "b.w": np.zeros(1)}]
"""Norms 13 and 1; of the layers 5 and 12, and 1 and 0."""


def test_a_global_norm_keeps_the_direction(tmp_path: Path) -> None:
    """Norms 13 and 1 cut at 6.5: half of the steps, factors 1/2 and 1, 42.25 + 1 of 170 left, and no turn."""
    (row,) = tried(tmp_path, THREE_FOUR, "clip-by-global-norm:6.5")
    assert (row.strategy, row.rule, row.threshold) == ("clip-by-global-norm", None, 6.5)
    assert (row.clip_rate, row.mean_factor, row.cosine, row.least_cosine) == (0.5, 0.75, 1.0, 1.0)
    assert row.lost_energy == pytest.approx(1 - 43.25 / 170, rel=1e-14)
    assert (row.layers, row.note) == ({}, None)


def test_layers_clipped_apart_turn_the_gradient(tmp_path: Path) -> None:
    """Norms 5 and 12 cut to 5: (5·5 + 12·5) / (13 · √50) is the cosine of the first step, 1 that of the second."""
    (row,) = tried(tmp_path, THREE_FOUR, "clip-l2-per-layer:5")
    turned = 85 / (13 * math.sqrt(50))
    assert row.least_cosine == pytest.approx(turned, rel=1e-15)
    assert row.cosine == pytest.approx((turned + 1) / 2, rel=1e-15)
    assert (row.clip_rate, row.layers) == (0.25, {"b": 0.5})
    assert row.mean_factor == pytest.approx((1 + 5 / 12 + 1 + 1) / 4, rel=1e-15)
    assert row.lost_energy == pytest.approx((144 - 25) / 170, rel=1e-14)


def test_elements_clipped_one_by_one(tmp_path: Path) -> None:
    """(3, 4, 12) cut to (3, 3.5, 3.5) turns by its own cosine; the samples are the largest |g|: 4, 12, 0.8 and 0."""
    (row,) = tried(tmp_path, THREE_FOUR, "clip-by-value:3.5")
    turned = (9 + 14 + 42) / (13 * math.sqrt(9 + 2 * 3.5**2))
    assert row.least_cosine == pytest.approx(turned, rel=1e-15)
    assert row.cosine == pytest.approx((turned + 1) / 2, rel=1e-15)
    assert (row.clip_rate, row.layers) == (0.5, {"a": 0.5, "b": 0.5})
    assert row.mean_factor == pytest.approx((3.5 / 4 + 3.5 / 12 + 1 + 1) / 4, rel=1e-15)
    assert row.lost_energy == pytest.approx(1 - (9 + 2 * 3.5**2 + 1) / 170, rel=1e-14)


def test_renormalizing_may_gain_energy(tmp_path: Path) -> None:
    """Every layer but zeros ends with norm 1, which of norms below 1 makes more: less than nothing is lost."""
    (row,) = tried(tmp_path, [{"a.w": np.array([0.5]), "b.w": np.zeros(2)}], "RenormalizeL2PerLayer")
    assert (row.strategy, row.threshold) == ("renormalize-l2-per-layer", None)
    assert (row.clip_rate, row.mean_factor, row.lost_energy, row.cosine) == (0.5, 1.5, -3.0, 1.0)


@pytest.mark.parametrize(("size", "factor"), [(1e-308, 1e308), (5e-324, math.inf)])
def test_factors_at_the_ends_of_their_range(size: float, factor: float, tmp_path: Path) -> None:
    """Tiny norms are renormalized by factors whose sum leaves the range of float64, their mean does not, and nothing turns."""
    (row,) = tried(tmp_path, [{"a": np.array([size])}, {"a": np.array([-size])}], "RenormalizeL2PerLayer")
    assert row.mean_factor == pytest.approx(factor, rel=1e-15)
    assert (row.clip_rate, row.cosine, row.lost_energy) == (1.0, 1.0, -math.inf)


def test_doing_nothing(tmp_path: Path) -> None:
    """`none` and a threshold above everything clip nothing, lose nothing and turn nothing, to the bit."""
    texts = ["none", *(f"{s.name}:inf" for s in PLAIN if s.takes_threshold), "clip-by-value:1e300"]
    for row in tried(tmp_path, steps_of(np.float32), *texts):
        assert (row.clip_rate, row.mean_factor, row.lost_energy, row.cosine, row.least_cosine) == (0, 1, 0, 1, 1)
        assert row.layers == {}


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("strategy", PLAIN, ids=lambda strategy: strategy.name)
def test_cosine_and_energy(strategy: Any, dtype: Any, tmp_path: Path) -> None:
    """Of every strategy and dtype, cosine and energy are those of all elements in float64."""
    steps = steps_of(dtype)
    (row,) = tried(tmp_path, steps, f"{strategy.name}:0.7" if strategy.takes_threshold else strategy.name)
    found = [cosine(wide(step), after(strategy.name, step, 0.7)) for step in steps]
    assert (row.cosine, row.least_cosine) == (
        pytest.approx(np.mean(found), rel=1e-12),
        pytest.approx(min(found), rel=1e-12),
    )
    assert row.lost_energy == pytest.approx(lost(steps, strategy.name, 0.7), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("threshold", [1e-300, 1.0, 1e199])
@pytest.mark.parametrize("scale", [1e200, 1e-200])
@pytest.mark.parametrize("strategy", [s for s in PLAIN if s.takes_threshold], ids=lambda strategy: strategy.name)
def test_squares_beyond_float64(strategy: Any, scale: float, threshold: float, tmp_path: Path) -> None:
    """Elements and thresholds whose squares leave the range of float64 on either side have a right cosine."""
    steps = steps_of(np.float64, scale)
    (row,) = tried(tmp_path, steps, f"{strategy.name}:{threshold}")
    found = [cosine(wide(step), after(strategy.name, step, threshold)) for step in steps]
    assert row.cosine == pytest.approx(np.mean(found), rel=1e-12)
    assert row.lost_energy == pytest.approx(lost(steps, strategy.name, threshold), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize(("p", "epsilon"), [(1.0, 0.0), (math.inf, 0.0), (2.0, 0.5), (3.0, 0.25)])
@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s.takes_norm], ids=lambda strategy: strategy.name)
def test_another_norm_and_an_epsilon(strategy: Any, p: float, epsilon: float, tmp_path: Path) -> None:
    """The factor follows from the norm that was asked for and the epsilon, cosine and energy from Euclid's."""
    steps, options = steps_of(np.float64), {"p": p, "epsilon": epsilon}
    (row,) = tried(tmp_path, steps, f"{strategy.name}:0.9", norm_type=p, epsilon=epsilon)
    found = [cosine(wide(step), after(strategy.name, step, 0.9, **options)) for step in steps]
    assert row.least_cosine == pytest.approx(min(found), rel=1e-9)
    assert row.lost_energy == pytest.approx(lost(steps, strategy.name, 0.9, **options), rel=1e-8, abs=1e-10)


def test_strategies_without_a_norm_stay_with_euclid(tmp_path: Path) -> None:
    """Renormalizing and clipping elements are the same whatever norm the others use."""
    texts = ["renormalize-l2-per-layer", "renormalize-l2-per-param-type", "clip-by-value:0.1"]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = tried(tmp_path / "a", steps_of(np.float32), *texts)
    assert tried(tmp_path / "b", steps_of(np.float32), *texts, norm_type=1.0, epsilon=0.5) == plain


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("text", ["clip-by-global-norm:1", "clip-l2-per-layer:1", "clip-by-value:1", "clip-by-norm:1"])
def test_what_is_not_finite_is_left_out(text: str, bad: float, tmp_path: Path) -> None:
    """A step of NaN and infinities only changes no figure, and the row says that there is one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    broken = {"a.w": np.array([bad, 1.0]), "b.w": np.array([bad])}
    (plain,) = tried(tmp_path / "a", THREE_FOUR, text)
    (row,) = tried(tmp_path / "b", [THREE_FOUR[0], broken, THREE_FOUR[1]], text)
    assert row._replace(note=None) == plain
    assert row.note == "NaN and infinities left out of 1 step"


def test_nothing_finite_has_no_figures(tmp_path: Path) -> None:
    """Without a finite step nothing can be told of any strategy."""
    for row in tried(tmp_path, [{"a": np.array([np.nan])}], "clip-by-norm:1", "clip-by-value:1", "none"):
        assert (row.clip_rate, row.mean_factor, row.lost_energy, row.cosine, row.least_cosine) == (None,) * 5


def test_a_step_of_zeros_has_no_direction(tmp_path: Path) -> None:
    """A gradient of zeros counts among the samples, but not for the cosine."""
    for row in tried(tmp_path, [{"a": np.zeros(3)}], "clip-by-norm:1", "clip-by-value:1", "RenormalizeL2PerLayer"):
        assert (row.clip_rate, row.mean_factor, row.lost_energy, row.cosine) == (0, 1, 0, None)


def test_a_rule_for_a_threshold(tmp_path: Path) -> None:
    """A rule chooses from the norms that the strategy compares, here the layers' 5, 12, 1 and 0, and is named."""
    (row,) = tried(tmp_path, THREE_FOUR, "clip-l2-per-layer:mean")
    assert (row.rule, row.threshold) == ("mean", 4.5)
    assert row.lost_energy == pytest.approx(1 - (2 * 4.5**2 + 1) / 170, rel=1e-14)


def test_a_rule_for_single_elements_is_known_too_late(tmp_path: Path) -> None:
    """Element by element, the sums under a rule's threshold would need a second reading: the row says so instead."""
    (row,) = tried(tmp_path, THREE_FOUR, "clip-by-value:mean")
    assert (row.threshold, row.clip_rate) == (pytest.approx(4.2), 0.25)
    assert (row.lost_energy, row.cosine, row.least_cosine) == (None, None, None)
    assert "give a number" in (row.note or "")


def test_a_rule_that_chooses_nothing_says_why(tmp_path: Path) -> None:
    """Where a rule finds no threshold, the row has no figures but the reason."""
    (row,) = tried(tmp_path, [{"a": np.zeros(3)}], "clip-by-norm:mean")
    assert (row.rule, row.threshold, row.cosine) == ("mean", None, None)
    assert "no threshold can be chosen" in (row.note or "")


def test_the_three_layers_clipped_most(tmp_path: Path) -> None:
    """Layers are named by the share of their finite steps in which any of their tensors is clipped, at most three."""
    steps = [
        {"a.w": np.array([x]), "b.w": np.ones(1), "b.b": np.array([y]), "c.w": np.array([9.0]), "d.w": np.array([z])}
        for x, y, z in [(9.0, 9.0, 1.0), (1.0, 9.0, 1.0), (1.0, 1.0, 9.0), (np.nan, 9.0, 1.0)]
    ]
    for text in ("clip-by-norm:5", "clip-by-value:5"):
        (row,) = tried(tmp_path, steps, text)
        assert list(row.layers.items()) == [("c", 1.0), ("b", 0.75), ("a", 1 / 3)]


def test_only_what_is_tried_is_measured(tmp_path: Path) -> None:
    """Without a try there are no tries."""
    assert stats(series(tmp_path, THREE_FOUR)).tries is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clip-by-global-nrm:1", "did you mean clip-by-global-norm"),
        ("clip-by-norm", "clip-l2-per-param-type needs a threshold"),
        ("none:1", "none takes no threshold"),
        ("clip-by-norm:0", "above 0"),
        ("clip-by-norm:", "neither a number nor a rule"),
        ("clip-by-norm:mad:x", "mad needs a number"),
    ],
)
def test_wrong_usage(text: str, reason: str) -> None:
    """A strategy that is not there, or a threshold that is missing, needless or no threshold, is wrong usage."""
    with pytest.raises(UsageError, match=reason):
        Trial.parse(text)


@pytest.mark.parametrize("strategy", ["clip-by-global-norm", "clip-l2-per-layer", "clip-by-norm"])
def test_a_rule_with_a_threshold_for_each_step(strategy: str, tmp_path: Path) -> None:
    """Each step is clipped by its own threshold: norms 1, 3 and 2 have the medians 1, 2 and 2 so far."""
    steps = [{"a.w": np.array([0.6 * norm, 0.8 * norm])} for norm in (1.0, 3.0, 2.0)]
    (found,) = tried(tmp_path, steps, f"{strategy}:autoclip:50")
    assert (found.rule, found.threshold, found.note) == ("autoclip:50", None, "each step has its own threshold")
    assert found.clip_rate == pytest.approx(1 / 3)
    assert found.mean_factor == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert found.lost_energy == pytest.approx(1 - (1 + 4 + 4) / (1 + 9 + 4))


def test_a_threshold_for_each_step_of_elements(tmp_path: Path) -> None:
    """Of elements the largest of each tensor has its threshold, and what that leaves is not known."""
    steps = [{"a.w": np.array([size, 0.1])} for size in (1.0, 3.0, 2.0)]
    (found,) = tried(tmp_path, steps, "clip-by-value:autoclip:50")
    assert (found.clip_rate, found.lost_energy) == (pytest.approx(1 / 3), None)
    assert "each step has its own threshold; give a number" in (found.note or "")


def test_a_threshold_for_each_step_of_nothing_finite(tmp_path: Path) -> None:
    """Without a finite norm there is nothing to try, and the note says why."""
    (found,) = tried(tmp_path, [{"a.w": np.array([np.nan])}] * 2, "clip-by-norm:zclip")
    assert (found.clip_rate, found.mean_factor) == (None, None)
    assert "all 2 norms are NaN or infinite" in (found.note or "")
