"""A file with a group for each step is a series, and comes out as one file."""

import math
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import load, save

from gradclip_cli import apply, check, stats
from gradclip_cli.errors import InputError
from gradclip_cli.formats import FORMATS, by_suffix

STEPS = (1, 2, 10)
Step = dict[str, NDArray[np.float32]]


def gradients(step: int) -> Step:
    """The gradients of a step; their norms grow with it."""
    rng = np.random.default_rng(step)
    return {f"lstm/{name}": (rng.standard_normal((3, 4)) * step).astype(np.float32) for name in ("kernel", "bias")}


def norm(step: Step) -> float:
    """The global norm, by plain numpy in float64."""
    return math.sqrt(sum(float((array.astype(np.float64) ** 2).sum()) for array in step.values()))


def format_of(path: Path) -> str:
    """Return the name of the format that a suffix stands for."""
    format = by_suffix(str(path))
    assert format is not None
    return format.name


@pytest.fixture(params=FORMATS)
def series(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file of three steps."""
    tensors = {f"step_{k}/{name}": array for k in STEPS for name, array in gradients(k).items()}
    return save(tmp_path, request.param, tensors, "series")


def test_each_group_is_a_dump(series: Path) -> None:
    """Norms are of one step each, tensors have their names inside the groups, and steps are in order."""
    report = stats(series)
    assert [dump.step for dump in report.dumps] == list(STEPS)
    assert [dump.norm for dump in report.dumps] == pytest.approx([norm(gradients(k)) for k in STEPS], rel=1e-12)
    assert sorted(row.name for row in report.params) == ["lstm/bias", "lstm/kernel"]
    assert [row.layer for row in report.layers] == ["lstm"]


def test_each_step_is_clipped_by_its_own_norm(series: Path, tmp_path: Path) -> None:
    """One file comes out, in which each step has at most the norm that was asked for."""
    out = tmp_path / f"out{series.suffix}"
    report = apply(series, out, strategy="clip-by-global-norm", threshold=norm(gradients(2)))
    assert [dump.step for dump in report.dumps] == list(STEPS)
    assert {param.name for param in report.dumps[2].params} == {"step_10/lstm/bias", "step_10/lstm/kernel"}
    written = load(out)
    for step in STEPS:
        expected = {
            name: array * min(1.0, norm(gradients(2)) / norm(gradients(step)))
            for name, array in gradients(step).items()
        }
        for name, array in expected.items():
            np.testing.assert_allclose(written[f"step_{step}/{name}"], array, rtol=1e-6)


def test_rules_are_over_the_steps(series: Path, tmp_path: Path) -> None:
    """A rule chooses one threshold from the norms of all steps in the file."""
    report = apply(series, tmp_path / f"out{series.suffix}", strategy="clip-by-global-norm", threshold="median")
    assert report.threshold == pytest.approx(norm(gradients(2)), rel=1e-12)


def test_check_names_the_step(tmp_path: Path) -> None:
    """What is wrong is said of the step in which it is."""
    steps = {k: gradients(k) for k in STEPS}
    steps[2]["lstm/bias"][0, 0] = math.nan
    tensors = {f"step_{k}/{name}": array for k, step in steps.items() for name, array in step.items()}
    path = save(tmp_path, "hdf5", tensors)
    found = [one for one in check(path).findings if one.rule == "nonfinite"]
    assert [(one.step, one.layer, one.param) for one in found] == [(2, "lstm", "bias")]


def test_steps_that_differ_are_refused_unless_asked(tmp_path: Path) -> None:
    """As in a series of files, what a step lacks is named, and adds nothing there when that is asked for."""
    path = tmp_path / "series.h5"
    with h5py.File(path, "w") as file:
        for step in STEPS:
            file[f"step_{step}/a"] = np.ones(2)
        file["step_10/b"] = np.ones(2)
    with pytest.raises(InputError, match="also has b"):
        stats(path)
    found = stats(path, allow_missing=True)
    assert [(row.name, row.summary.count) for row in found.params] == [("a", len(STEPS)), ("b", 1)]
    assert [dump.norm for dump in found.dumps] == [math.sqrt(2), math.sqrt(2), 2.0]


def test_what_does_not_count_stays_in_its_step(tmp_path: Path) -> None:
    """Integer tensors are listed with the step that they belong to, under their names in the file."""
    tensors = {f"step{k}/{name}": value for k in STEPS for name, value in (("w", np.ones(2)), ("t", np.arange(2)))}
    path = save(tmp_path, "npz", tensors)
    report = apply(path, dry_run=True, strategy="none")
    assert [[param.name for param in dump.params] for dump in report.dumps] == [
        [f"step{k}/w", f"step{k}/t"] for k in STEPS
    ]


@pytest.mark.parametrize("names", [["step1/w", "other/w"], ["step1/w"], ["step1.w", "step2.w"]])
def test_other_groups_are_layers(names: list[str], tmp_path: Path) -> None:
    """A file whose groups are not all steps, or that has one only, is one dump."""
    assert len(stats(save(tmp_path, "npz", {name: np.ones(2) for name in names})).dumps) == 1


def test_what_stands_beside_the_steps_is_named(tmp_path: Path, series: Path) -> None:
    """One tensor more beside the groups makes the file one dump, and a note names it; beside one group there is no series."""
    tensors = {f"step_{k}/{name}": array for k in STEPS for name, array in gradients(k).items()}
    (tmp_path / "more").mkdir()
    path = save(
        tmp_path / "more",
        format_of(series),
        {**tensors, "extra": np.ones(2, "f4")},
        "more",
    )
    reports = stats(path), check(path), apply(path, dry_run=True, strategy="none")
    assert [len(report.notes) for report in reports] == [1, 1, 1]
    assert all("taken for one dump, not for a series" in report.notes[0].text for report in reports)
    assert all(report.notes[0].text.endswith("named after steps: extra") for report in reports)
    assert len(reports[0].dumps) == 1
    few = {name: array for name, array in tensors.items() if name.startswith("step_1/")}
    path = save(tmp_path / "more", format_of(series), {**few, "extra": np.ones(2, "f4")}, "few")
    assert stats(path).notes == []
