"""The line of advice says what to take, and why."""

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import savez

from gradclip_cli import apply, check, stats

CALM = [1.0, 1.1, 0.9, 1.2, 1.0, 0.8, 1.0, 1.3, 1.0, 1.1, 0.9, 1.0]
ONCE = [*CALM[:9], 100.0, *CALM[10:]]
TWICE = [*CALM[:4], 50.0, *CALM[5:9], 200.0, *CALM[10:]]


def advice(folder: Path, norms: Sequence[float | Sequence[float]], name: str = "step_{}", **options: Any) -> list[str]:
    """The advice on dumps of one element a layer, `a.w`, `b.w` and so on, and of the norms given; the command comes second."""
    for k, step in enumerate(norms):
        row = step if isinstance(step, Sequence) else [step]
        tensors = {f"{layer}.w": np.array([x]) for layer, x in zip("abc", row, strict=False)}
        savez(folder / f"{name.format(k)}.npz", **tensors)
    found = stats(folder, **options)
    assert found.advice is not None
    return [*found.advice.lines[:1], *([found.command] if found.command else []), *found.advice.lines[1:]]


def test_a_healthy_series(tmp_path: Path) -> None:
    """Where norms stay close together, the mean of 12.3 / 12 is a fair guide."""
    line, command = advice(tmp_path, CALM)
    assert line == (
        "take 1.025 (mean) for clip-by-global-norm: no step explodes (nothing is above 1.3 times its neighbours), so the mean is a "
        "fair guide; it would clip 33 % of the steps."
    )
    assert command == f"gradclip apply {tmp_path} -o clipped/ -t 1.025 --dry-run"


def test_the_command_runs(tmp_path: Path) -> None:
    """What one is told to try is right usage, and clips the highest step alone."""
    *_, command = advice(tmp_path, ONCE)
    path, o, output, t, threshold, dry_run = shlex.split(command.removeprefix("gradclip apply "))
    assert (o, output, t, dry_run) == ("-o", "clipped/", "-t", "--dry-run")
    done = apply(path, dry_run=True, strategy="clip-by-global-norm", threshold=threshold)
    assert [dump.step for dump in done.dumps if dump.total.clipped_groups] == [9]


def test_one_explosion(tmp_path: Path) -> None:
    """One step of 100 among norms of 1 leads the mean: median + 5 · 1.4826 · MAD, 1 + 5 · 1.4826 · 0.1, is the robust choice."""
    line, _ = advice(tmp_path, ONCE)
    assert line == (
        "take 1.741 (mad:5) for clip-by-global-norm: 1 of 12 steps explodes (step 9: 100, 100 x its neighbours), so the mean is "
        "no guide; it would clip 8 % of the steps."
    )


def test_two_explosions(tmp_path: Path) -> None:
    """Both steps are named, the larger first."""
    line, command = advice(tmp_path, TWICE)
    assert "2 of 12 steps explode (step 9: 200, 200 x its neighbours; step 4: 50, 50 x its neighbours)" in line
    assert "it would clip 17 % of the steps" in line
    assert command.endswith("-t 1.741 --dry-run")


def test_an_explosion_in_a_long_series(tmp_path: Path) -> None:
    """An explosion that hardly moves the mean is told, and the mean stands."""
    line, _ = advice(tmp_path, [*CALM, *CALM, *CALM, 20.0])
    assert line.startswith("take 1.538 (mean)")
    assert "1 of 37 steps explodes (step 36: 20, 20 x its neighbours), which moves the mean little" in line


def test_the_mean_may_be_led_without_an_explosion(tmp_path: Path) -> None:
    """A mean of more than three times the median is no guide, though nothing explodes since the run comes down."""
    line, _ = advice(tmp_path, [9.0] * 5 + [1.0] * 4 + [1.2] * 3)
    assert "(mad:5)" in line
    assert "the mean is 3.7 x the median, so it is led by a few large norms" in line


def test_more_than_half_are_zero(tmp_path: Path) -> None:
    """Zeros are never clipped: where most norms are 0 the others say what to take, the mean of 6 and 9 rather than 15 / 12."""
    line, _ = advice(tmp_path, [0.0] * 9 + [6.0, 9.0, 0.0])
    assert line == (
        "take 7.5 (mean of what is not 0) for clip-by-global-norm: more than half of the norms are 0 and left out; it would clip"
        " 8 % of the steps."
    )


def test_layers_of_zeros_beside_one_that_explodes(tmp_path: Path) -> None:
    """Frozen layers do not make the mean a guide where another explodes: 1 + 5 · 1.4826 · 0.1 is taken, that of its own norms."""
    line, command = advice(tmp_path, [[0.0, 0.0, norm] for norm in ONCE], strategy="clip-l2-per-layer")
    assert line == (
        "take 1.741 (mad:5 of what is not 0) for clip-l2-per-layer: 1 of 12 steps explodes (step 9: c 100, 100 x its neighbours),"
        " so the mean is no guide; it would clip 3 % of the norms of layers."
    )
    assert command.endswith("-s clip-l2-per-layer -t 1.741 --dry-run")


def test_a_layer_that_explodes_and_dies(tmp_path: Path) -> None:
    """Of a layer that is mostly 0 nothing is usual, but what is large in it leads the mean, and is what to try."""
    steps = [[1.0 + k / 10, 500.0 if k == 1 else 0.0, 0.0] for k in range(12)]
    line, command = advice(tmp_path, steps, strategy="clip-l2-per-layer")
    assert line.startswith(
        "take 3.824 (mad:5 of what is not 0) for clip-l2-per-layer: more than half of the norms are 0"
    )
    assert "left out, and a few large ones lead the mean of the others" in line
    assert command.endswith("-s clip-l2-per-layer -t 3.824 --dry-run")


def test_more_than_half_would_be_clipped(tmp_path: Path) -> None:
    """Where nothing explodes, and the mean would clip most steps all the same, what clips one in ten is advised."""
    norms = [*(3.0 + k / 100 for k in range(5)), 1.0, 1.0, *(3.0 + k / 100 for k in range(5, 10))]
    line, command = advice(tmp_path, norms)
    assert line == (
        "take 3.079 (percentile:90) for clip-by-global-norm: no step explodes (nothing is above 1.02 times its neighbours), but the"
        " mean would clip most of them; it would clip 17 % of the steps."
    )
    assert command.endswith("-t 3.079 --dry-run")
    assert advice(tmp_path, norms, rule="percentile:90")[0].startswith("take 3.079 (percentile:90)")


def test_most_of_a_few_steps_may_be_above_their_mean(tmp_path: Path) -> None:
    """Of three steps nothing is concluded from two that would be clipped: no threshold is recommended, and no command."""
    [line] = advice(tmp_path, [1.0, 2.0, 2.0])
    assert line == (
        "3 steps choose nothing yet for clip-by-global-norm: the mean would clip 67 % of the steps. Measure 10 or more."
    )
    found = stats(tmp_path).advice
    assert found is not None
    assert found.reason == "3 steps choose nothing yet: the mean would clip 67 % of the steps. Measure 10 or more"


def test_a_few_steps_of_which_few_are_clipped_are_few(tmp_path: Path) -> None:
    """Where one of three steps would be clipped, a threshold is named, with a caveat."""
    line, command = advice(tmp_path, [1.0, 1.0, 2.0])
    assert line.startswith("take 1.333 (mean)")
    assert line.endswith("it would clip 33 % of the steps. 3 steps are few, so measure more before you rely on it.")
    assert command.endswith("-t 1.333 --dry-run")


def test_a_rule_that_clips_more_than_half(tmp_path: Path) -> None:
    """A threshold below most norms that was asked for is no clipping any more: the learning rate is what should change."""
    line, _ = advice(tmp_path, CALM, rule="percentile:20")
    assert "it would clip 75 % of the steps, which slows every step down: lower the learning rate instead" in line


@pytest.mark.parametrize("wobble", [0.0, 0.9e-6])
def test_a_series_that_has_been_clipped_already(wobble: float, tmp_path: Path) -> None:
    """Norms that are all alike, but for the rounding of float32, are those of a threshold that was applied before."""
    norms = [0.7 * (1 + wobble * (k % 3)) for k in range(12)]
    (line,) = advice(tmp_path, norms)
    assert line == (
        "all norms are alike: the series looks as if it had already been clipped at 0.7; look at gradients before clipping."
    )
    found = stats(tmp_path)
    assert all("learning rate" not in (one.note or "") for one in found.suggestions)
    assert all("already been clipped at 0.7" in (one.note or "") for one in found.suggestions)


def test_most_steps_have_been_clipped_already(tmp_path: Path) -> None:
    """Where most of many norms stand at the largest, that is a threshold, and no reason to lower the learning rate."""
    (line,) = advice(tmp_path, [*[1.0] * 8, 0.3, 0.5, 0.7, 0.9])
    assert line.startswith(
        "66.7% of the norms are alike and none is larger: the series looks as if it had already been"
    )


def test_a_run_that_stays_exploded(tmp_path: Path) -> None:
    """Where the median is one of an explosion, the steps before it say what is usual: the mean of 1.0, 1.1 and 0.9."""
    high = [1000.0 + k for k in range(9)]
    line, command = advice(tmp_path, [*CALM[:3], *high])
    assert line == (
        "take 1 (mean of what does not explode) for clip-by-global-norm: 9 of 12 steps explode (step 11: 1008, 1,000 x its"
        " neighbours; step 10: 1007, 960 x its neighbours; step 9: 1006, 910 x its neighbours; and 6 more),"
        " so the mean is no guide; it would clip 83 % of the steps, so find out first what happened at step 3."
    )
    assert command.endswith("-t 1 --dry-run")


@pytest.mark.parametrize("high", [1e3, 5e5])
def test_a_plateau_is_no_threshold(high: float, tmp_path: Path) -> None:
    """Most norms may be equal because the run has exploded to a plateau: no clipping leaves the others so far below."""
    line, _ = advice(tmp_path, [1.0, 1.2, 0.9, 1.1, *[high] * 9])
    assert line.startswith("take 1.05 (mean of what does not explode) for clip-by-global-norm: 9 of 13 steps explode")
    assert all("already been clipped" not in (one.note or "") for one in stats(tmp_path).suggestions)


@pytest.mark.parametrize(("name", "count"), [("alternates", 6), ("grows", 7)])
def test_half_of_the_steps_explode(name: str, count: int, tmp_path: Path) -> None:
    """Steps that explode at every other step, or grow and grow, make the mean no guide."""
    norms = {"alternates": [1.0, 1000.0] * 6, "grows": [2.0**k for k in range(12)]}[name]
    line, *_ = advice(tmp_path, norms)
    assert f"{count} of 12 steps explode" in line
    assert "so the mean is no guide" in line


@pytest.mark.parametrize(
    ("norms", "told"),
    [
        (
            [1000.0, 300.0, 40.0, 30.0, 1.2, 1.1, 1.3, 1.25, 1.05, 1.0, 1.15],
            "fall from 40 to 1.125 (medians of the first half and the second), so one threshold fits few steps:"
            " leave out the first with --skip-steps 4",
        ),
        (
            [200 ** (k / 59) for k in range(60)],
            "grow from 3.681 to 54.45 (medians of the first half and the second), so one threshold fits few steps:"
            " look at those from step 41 on",
        ),
        (
            [4.0, 12.0, 1.0] * 5,
            "range from 1 to 12 (10th and 90th percentile)",
        ),
    ],
)
def test_norms_over_orders_of_magnitude(norms: list[float], told: str, tmp_path: Path) -> None:
    """Norms that fall, grow or vary by more than ten times make the mean no fair guide, and it is said where to look."""
    line, *_ = advice(tmp_path, norms)
    assert told in line
    assert "fair guide" not in line
    assert "explode" not in line


@pytest.mark.parametrize(("falling", "fair"), [(1, True), (2, False)])
def test_most_layers_have_to_fall(falling: int, fair: bool, tmp_path: Path) -> None:
    """One layer among three whose norms fall tells nothing of one threshold for all of them; two do."""
    rows = [[2.0**-k] * falling + [0.3 + k / 100] * (3 - falling) for k in range(12)]
    line, *_ = advice(tmp_path, rows, strategy="clip-l2-per-layer")
    assert ("no step explodes" in line, "the norms of a fall" in line) == (fair, not fair)


def test_what_falls_explodes_neither_here_nor_there(tmp_path: Path) -> None:
    """A run that begins high and comes down explodes neither for `stats` nor for `check`."""
    line, *_ = advice(tmp_path, [10.0 ** (4 - k) if k < 5 else 1.0 + k / 100 for k in range(12)])
    assert "explode" not in line
    assert [one.rule for one in check(tmp_path).findings] == []


def test_multiples_have_four_digits(tmp_path: Path) -> None:
    """However large a multiple is, it is short."""
    line, _ = advice(tmp_path, [*CALM, 1.23456e100])
    assert "step 12: 1.235e+100, 1.2e+100 x its neighbours" in line


def test_few_steps(tmp_path: Path) -> None:
    """Below ten steps the advice says on how little it rests."""
    assert "9 steps are few, so measure more" in advice(tmp_path, CALM[:9])[0]
    assert "few" not in advice(tmp_path, CALM[:10])[0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_steps_that_are_not_finite(bad: float, tmp_path: Path) -> None:
    """The first step that is not finite is named, with how to look at it; the others are judged without it."""
    line, _, more = advice(tmp_path, [*CALM[:3], bad, *CALM, bad])
    assert line.startswith("take 1.02 (mean)")
    assert more == (
        "2 of 17 steps are not finite and left out; the first is step 3: look at it with "
        f"`gradclip check {tmp_path}/step_3.npz`, or at all with --by step."
    )


def test_no_step_is_finite(tmp_path: Path) -> None:
    """Where nothing is finite no threshold is named, but the first step is."""
    line, more = advice(tmp_path, [math.nan, math.inf])
    assert line == "there is no finite norm to choose a threshold from."
    assert "2 of 2 steps are not finite and left out; the first is step 0" in more


def test_all_norms_are_zero(tmp_path: Path) -> None:
    """Zeros are nothing to clip."""
    (line,) = advice(tmp_path, [0.0] * 12)
    assert line.startswith("every norm is 0, so there is nothing to clip")


@pytest.mark.parametrize("strategy", [None, "clip-l2-per-layer", "clip-by-value"])
def test_no_gradients(strategy: str | None, tmp_path: Path) -> None:
    """Dumps without a float tensor are told apart from zeros."""
    np.savez(tmp_path / "g.npz", n=np.arange(3))
    (line,) = stats(tmp_path, strategy=strategy).advice.lines  # type: ignore[union-attr]
    assert line == "there is no gradient in these dumps, and nothing to clip."


def test_one_dump(tmp_path: Path) -> None:
    """A single norm of 4 gives the range that converges, and no threshold."""
    (line,) = advice(tmp_path, [4.0])
    assert line == (
        "one step does not tell how norms vary: give 10 or more. Until then clip-by-global-norm may take 2 to 40, "
        "0.5 to 10 times its norm."
    )


def test_two_dumps_that_are_far_apart(tmp_path: Path) -> None:
    """Of two norms the mean is near the larger, and the median is the mean: neither is a guide before NaN, and neither is advised."""
    line, bad = advice(tmp_path, [1e8, 1e27, math.nan])
    assert line == "two steps of 1e+08 and 1e+27 do not tell which of them is usual: give 10 or more."
    assert bad.startswith("1 of 3 steps is not finite and left out; the first is step 2")
    assert advice(tmp_path, [1.0, 4.0, math.nan])[0].startswith("2 steps choose nothing yet")


def test_few_steps_are_not_every_step(tmp_path: Path) -> None:
    """Of four steps one may be large, and not the layers at every step."""
    rows = [[1.0, 2.0], [1.0, 2.0], [1.0, 90.0], [1.0, 2.0]]
    assert "every step" not in advice(tmp_path, rows, strategy="clip-l2-per-layer")[0]


def test_one_dump_of_several_layers(tmp_path: Path) -> None:
    """For a strategy with more norms than one, the range is around their mean."""
    (line,) = advice(tmp_path, [[3.0, 5.0]], strategy="ClipL2PerLayer")
    assert line.endswith("clip-l2-per-layer may take 2 to 40, 0.5 to 10 times the mean of its 2 samples.")


@pytest.mark.parametrize(
    ("strategy", "where", "share"),
    [
        ("clip-l2-per-layer", "b", "4 % of the norms of layers"),
        ("clip-by-norm", "b.w", "4 % of the norms of tensors"),
        ("clip-by-value", "b.w", "elements in 4 % of the tensors"),
    ],
)
def test_groups_explode_by_their_own_measure(strategy: str, where: str, share: str, tmp_path: Path) -> None:
    """A layer or tensor explodes against its own median, whatever the size of the others, and is named."""
    steps = list(map(list, zip(CALM, ONCE, strict=True)))
    line, command = advice(tmp_path, steps, strategy=strategy)
    assert f"1 of 12 steps explodes (step 9: {where} 100, 100 x its neighbours)" in line
    assert f"it would clip {share}." in line
    assert f"-s {line.split()[4].rstrip(':')} -t " in command


def test_layers_of_unlike_sizes_are_no_explosion(tmp_path: Path) -> None:
    """One layer of a hundred times the norm of the others leads the mean at every step: that is said, and what fits them."""
    steps = [[1.0, 1.0, 100.0]] * 12
    line, _ = advice(tmp_path, steps, strategy="clip-l2-per-layer")
    assert "explode" not in line
    assert "some are far larger than others at every step" in line
    assert "one threshold fits few of them: --by layer lists one for each; it would clip 33 %" in line
    assert "--by layer" not in advice(tmp_path, steps, strategy="clip-by-norm")[0]


def test_dumps_without_a_step_are_named_by_file(tmp_path: Path) -> None:
    """Where no step is known, the file's name stands for it."""
    line, _ = advice(tmp_path, ONCE, name="part{}")
    assert f"({tmp_path}/part9.npz: 100, 100 x its neighbours)" in line


def test_the_rule_that_was_asked_for(tmp_path: Path) -> None:
    """A rule that explosions do not lead is kept; zscore, which they lead, gives way to the robust one."""
    assert advice(tmp_path, ONCE, rule="percentile:90")[0].startswith("take 1.29 (percentile:90)")
    assert advice(tmp_path, ONCE, rule="zscore:3")[0].startswith("take 1.741 (mad:5)")


def test_the_command_repeats_what_matters(tmp_path: Path) -> None:
    """The norm type, the epsilon and the patterns that the threshold depends on are part of the command."""
    *_, command = advice(tmp_path, CALM, norm_type=1.0, epsilon=1e-6, exclude=["zz *"])
    assert command.endswith("-t 1.025 --norm-type 1 --epsilon 1e-06 --exclude 'zz *' --dry-run")


def test_names_are_no_commands(tmp_path: Path) -> None:
    """A path is quoted for the shell, and one that cannot be typed is not repeated."""
    (tmp_path / "a;b c").mkdir()
    (tmp_path / "\x1b[31m").mkdir()
    assert f"gradclip apply '{tmp_path}/a;b c' -o clipped/" in advice(tmp_path / "a;b c", CALM)[1]
    assert "gradclip apply FILE... -o clipped/" in advice(tmp_path / "\x1b[31m", CALM)[1]


@pytest.mark.parametrize("norms", [[1e-300] * 11 + [1e200], [1e308] * 12, [0.0] * 11 + [5e-324], [5e-324] * 12])
def test_norms_at_the_ends_of_their_range(norms: list[float], tmp_path: Path) -> None:
    """Whatever the magnitudes, there is one line of advice, and no arithmetic that fails."""
    assert re.match(r"take |no threshold can be chosen by |all norms are alike", advice(tmp_path, norms)[0])
