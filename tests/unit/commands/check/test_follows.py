"""Tensors are read again in three dumps, in whatever files they lie, and the cosines are those of numpy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import save_as

from gradclip_cli import check
from gradclip_cli.api.arguments import paths_of
from gradclip_cli.checks.base import Follow
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.check.collect import collect
from gradclip_cli.commands.check.follows import follows
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.selection import Selection

Values = NDArray[np.float32]

STEPS = 4
SERIES = [np.random.default_rng(0).standard_normal((STEPS, 6, 40), np.float32) for _ in range(2)]
"""Two tensors, of shape (steps, rows, columns)."""

IGNORED = ("exploding", "growing", "vanishing", "dead", "unchanged", "underflow", "dominated", "spread")


def cosine(a: Values, b: Values) -> float:
    """Return the cosine of two tensors in float64."""
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def expected(series: Values, row: int) -> Follow:
    """Return what numpy finds in a dump."""
    three = series[row - 2 : row + 1]
    norms = [float(np.linalg.norm(one.astype(np.float64))) for one in three]
    a, b, c = three
    return Follow(row, (norms[0], norms[1], norms[2]), cosine(b, c), cosine(a, b), cosine(a, c))


def files(folder: Path) -> dict[str, object]:
    """Write a file for each step."""
    for step in range(STEPS):
        save_as(folder / f"step_{step}.safetensors", {"a.w": SERIES[0][step], "b.w": SERIES[1][step]})
    return {}


def wrapped(folder: Path) -> dict[str, object]:
    """Write a file for each step, the later ones from under a wrapper."""
    for step in range(STEPS):
        prefix = "module." if step > 1 else ""
        save_as(folder / f"step_{step}.npz", {f"{prefix}a.w": SERIES[0][step], f"{prefix}b.w": SERIES[1][step]})
    return {}


def shards(folder: Path) -> dict[str, object]:
    """Write the halves of the tensors to the files of two ranks."""
    for step in range(STEPS):
        for rank in range(2):
            half = slice(3 * rank, 3 * rank + 3)
            arrays = {"a.w": SERIES[0][step, half], "b.w": SERIES[1][step, half]}
            save_as(folder / f"step_{step}_rank_{rank}.safetensors", arrays)
    return {"shards": True}


def groups(folder: Path) -> dict[str, object]:
    """Write one file with a group for each step."""
    with h5py.File(folder / "all.h5", "w") as file:
        for step in range(STEPS):
            file[f"step_{step}/a/w"], file[f"step_{step}/b/w"] = SERIES[0][step], SERIES[1][step]
    return {}


def log(folder: Path, **packing: object) -> dict[str, object]:
    """Write one file with a slice for each step."""
    with h5py.File(folder / "log.h5", "w") as file:
        for name, series in zip("ab", SERIES, strict=True):
            file.create_dataset(f"{name}/w", data=series, **packing)
    return {"along": 0}


def packed_log(folder: Path) -> dict[str, object]:
    """Write one file with a slice for each step, which can be read from its start only."""
    return log(folder, compression="gzip", chunks=(3, 2, 7))


LAYOUTS: Sequence[Callable[[Path], dict[str, object]]] = (files, wrapped, shards, groups, log, packed_log)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("jobs", [1, 3])
def test_cosines(layout: Callable[[Path], dict[str, object]], jobs: int, tmp_path: Path) -> None:
    """Norms and cosines are those of the whole tensors, in files, pieces, groups and slices."""
    options = layout(tmp_path)
    choices = Choices(shards=bool(options.get("shards")))
    found = find_dumps(paths_of(tmp_path), choices)
    along = 0 if "along" in options else None
    selection = Selection(along=along)
    plan = CheckPlan(found.sources, ("accumulating",), Limits(), selection)
    with Threads(jobs) as workers:
        run = Run(selection, workers)
        collected = collect(plan, run)
        a, b = (tensor.name for tensor in collected.dumps[0].tensors)
        result = follows({a: [2, 3], b: [3]}, collected.dumps, run)
    for name, series, rows in ((a, SERIES[0], [2, 3]), (b, SERIES[1], [3])):
        for one, row in zip(result[name], rows, strict=True):
            right = expected(series, row)
            assert one.row == row
            assert one.norms == pytest.approx(right.norms, rel=1e-12)
            assert one[2:] == pytest.approx(right[2:], abs=1e-12)


def test_another_shape_adds_nothing(tmp_path: Path) -> None:
    """Where a tensor has another shape in one of the three dumps, nothing is said of it there."""
    for step in range(4):
        save_as(tmp_path / f"step_{step}.npz", {"a.w": np.ones(64 if step != 1 else 65) * (step + 1)})
    report = check(tmp_path, ignore=IGNORED, accumulating_dumps=3)
    assert report.findings == []


def test_a_file_that_changes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump that is not what it was when its norms were taken is an error."""
    for step in range(6):
        save_as(tmp_path / f"step_{step}.npz", {"a.w": np.ones(64) * (step + 1)})

    def late(*arguments: Any) -> dict[str, list[Follow]]:
        save_as(tmp_path / "step_5.npz", {"a.w": np.ones(65)})
        return follows(*arguments)

    monkeypatch.setattr("gradclip_cli.commands.check.report.follows", late)
    with pytest.raises(InputError, match="changed while it was read"):
        check(tmp_path, ignore=IGNORED)


def test_healthy_series_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where norms do not rise as those of sums do, no tensor is read again."""
    random = np.random.default_rng(0)
    for step in range(8):
        save_as(tmp_path / f"step_{step}.npz", {"a.w": random.standard_normal(4096)})
    monkeypatch.setattr("gradclip_cli.commands.check.report.follows", lambda *arguments: pytest.fail("read again"))
    assert check(tmp_path).findings == []
