"""A folder of one file a parameter is one dump, a folder of such folders is a series, and the same files come out."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from support.official import load

from gradclip_cli import apply, stats
from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.pipeline import ls

STEPS = (1, 2, 10)


def params(step: int) -> dict[str, NDArray[np.float32]]:
    """The gradients of a step."""
    rng = np.random.default_rng(step)
    names = ("lstm.weight_ih_l0", "lstm.bias_ih_l0", "decoder.weight")
    return {name: (rng.standard_normal((3, 4)) * step).astype(np.float32) for name in names}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three steps, a folder each; one parameter of each step lies in an npz."""
    for step in STEPS:
        folder = tmp_path / "run" / f"step{step}"
        folder.mkdir(parents=True)
        for name, array in params(step).items():
            if name == "decoder.weight":
                np.savez(folder / f"{name}.npz", gradient=array)
            else:
                save_file({"gradient": array}, folder / f"{name}.safetensors")
    return tmp_path / "run"


def norm(arrays: dict[str, NDArray[np.float32]]) -> float:
    """The global norm, by plain numpy in float64."""
    return math.sqrt(sum(float((array.astype(np.float64) ** 2).sum()) for array in arrays.values()))


def test_a_folder_of_params_is_one_dump(run: Path) -> None:
    """Its tensors are named after their files, and its norm is over all of them."""
    report = stats(run / "step2")
    assert [(row.layer, row.param) for row in report.params] == [
        ("decoder", "weight"),
        ("lstm", "bias_ih_l0"),
        ("lstm", "weight_ih_l0"),
    ]
    assert [(dump.input, dump.step) for dump in report.dumps] == [(str(run / "step2"), 2)]
    assert report.dumps[0].norm == pytest.approx(norm(params(2)), rel=1e-12)


def test_a_folder_of_steps_is_a_series(run: Path) -> None:
    """The folders of its steps are its dumps, in the order of the steps."""
    report = stats(run)
    assert [dump.step for dump in report.dumps] == list(STEPS)
    assert [dump.norm for dump in report.dumps] == pytest.approx([norm(params(k)) for k in STEPS], rel=1e-12)


def test_folders_of_checkpoints_are_a_series(tmp_path: Path) -> None:
    """The dumps in folders named after steps are found."""
    for step in STEPS:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file(params(step), folder / "grads.safetensors")
    assert [dump.step for dump in stats(tmp_path).dumps] == list(STEPS)


def test_the_same_files_come_out(run: Path, tmp_path: Path) -> None:
    """Each step goes into a folder of its own name; every file holds its gradient, clipped by the norm of its step."""
    apply(run, tmp_path / "out", strategy="clip-by-global-norm", threshold=1.0)
    for step in STEPS:
        for name, array in params(step).items():
            suffix = ".npz" if name == "decoder.weight" else ".safetensors"
            found = load(tmp_path / "out" / f"step{step}" / f"{name}{suffix}")["gradient"]
            np.testing.assert_allclose(found, array.astype(np.float64) / norm(params(step)), rtol=1e-6)


def test_one_folder_goes_where_it_is_told(run: Path, tmp_path: Path) -> None:
    """The files of one folder go into the output itself."""
    report = apply(run / "step10", tmp_path / "out", strategy="none")
    assert report.dumps[0].output == str(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in (run / "step10").iterdir()
    )


def test_nothing_is_left_of_a_series_that_cannot_be_written(run: Path, tmp_path: Path) -> None:
    """Where a later step is broken, neither files nor folders are made."""
    (run / "step10" / "decoder.weight.npz").write_bytes(b"PK")
    with pytest.raises(InputError):
        apply(run, tmp_path / "out", strategy="none")
    assert not (tmp_path / "out").exists()


def test_a_file_with_more_is_named(run: Path) -> None:
    """Among files of one parameter each, one that holds more is refused by name."""
    save_file({"gradient": np.ones(1), "momentum": np.ones(1)}, run / "step1" / "lstm.weight_ih_l0.safetensors")
    with pytest.raises(InputError, match=r"lstm\.weight_ih_l0\.safetensors: holds gradient, momentum"):
        stats(run)


def test_two_files_of_one_param_are_refused(run: Path) -> None:
    """A parameter stands in one file."""
    save_file({"gradient": np.ones(1)}, run / "step1" / "decoder.weight.safetensors")
    with pytest.raises(InputError, match=r"stands in .* too"):
        stats(run / "step1")


def test_selectors_see_the_names_of_the_files(run: Path) -> None:
    """Patterns are over the names that the tensors have in the dump."""
    assert [row.name for row in stats(run, include=["decoder*"]).params] == ["decoder.weight"]
    with pytest.raises(UsageError):
        stats(run, include=["gradient"])


def test_ls_names_them_too(run: Path) -> None:
    """Each file is listed with the name of its parameter."""
    rows = ls(LsPlan(find_dumps([str(run / "step1")]).sources)).tensors
    assert {row.name for row in rows} == set(params(1))
