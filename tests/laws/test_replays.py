"""A rule with a threshold for each step writes what these numbers would, one step after the other."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from support.matrices import crossed

from gradclip_cli import apply
from gradclip_cli.reports.apply import ApplyReport

Series = dict[int, dict[str, np.ndarray]]
STEPS = 32
"""More than ZClip's warm-up."""

STRATEGIES = ["clip-by-global-norm", "clip-l2-per-layer", "clip-l2-per-param-type", "clip-elementwise-absolute-value"]


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """Write `run/`, in which two of the last steps are spikes: three layers of one tensor each, and one of integers."""
    rng = np.random.default_rng(11)
    steps = {}
    (tmp_path / "run").mkdir()
    for step in range(1, STEPS + 1):
        size = rng.lognormal(0, 0.3) * (30 if step in (28, 31) else 1)
        steps[step] = {name: (rng.standard_normal(50) * size).astype(np.float32) for name in ("a.w", "b.w", "c.w")}
        safetensors.numpy.save_file({**steps[step], "n": np.arange(2)}, tmp_path / f"run/step_{step}.safetensors")
    return steps


def written(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def thresholds(report: ApplyReport) -> list[dict[str, float | None]]:
    """The threshold of each layer at each step."""
    return [{row.layer: row.threshold for row in dump.layers} for dump in report.dumps]


@pytest.mark.parametrize(
    ("strategy", "rule", "epsilon"), crossed(STRATEGIES, ["autoclip:30", "zclip"], [None, 0.25], rounds=2)
)
def test_each_step_is_clipped_as_by_its_number(
    strategy: str, rule: str, epsilon: float | None, series: Series, tmp_path: Path
) -> None:
    """Giving each step the thresholds that the report names, as numbers, writes the same files."""
    epsilon = None if strategy == STRATEGIES[3] else epsilon
    found = apply(tmp_path / "run", tmp_path / "out", strategy=strategy, threshold=rule, epsilon=epsilon)
    assert found.threshold is None
    assert 0 < sum(dump.total.clipped_elements > 0 for dump in found.dumps) < STEPS
    (tmp_path / "plain").mkdir()
    for dump, numbers in zip(found.dumps, thresholds(found), strict=True):
        name = Path(str(dump.input)).name
        layers = {} if strategy == STRATEGIES[0] else {layer: (None, number) for layer, number in numbers.items()}
        number, out = numbers["a"], tmp_path / "plain" / name
        plain = apply(tmp_path / "run" / name, out, strategy=strategy, threshold=number, layers=layers, epsilon=epsilon)
        assert plain.dumps[0].total == dump.total
    assert written(tmp_path / "plain") == written(tmp_path / "out")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_autoclip_is_numpy_over_the_norms(strategy: str, series: Series, tmp_path: Path) -> None:
    """A step's threshold is numpy's percentile of the norms of its group up to that step."""
    norm = np.max if strategy == STRATEGIES[3] else np.linalg.norm
    if strategy == STRATEGIES[0]:
        rows = [[norm(np.concatenate([*step.values()]).astype(np.float64))] * 3 for step in series.values()]
    else:
        rows = [[norm(np.abs(array.astype(np.float64))) for array in step.values()] for step in series.values()]
    expected = [np.percentile(rows[: k + 1], 30, axis=0) for k in range(STEPS)]
    report = apply(tmp_path / "run", strategy=strategy, threshold="autoclip:30", dry_run=True)
    np.testing.assert_allclose(
        np.array([list(row.values()) for row in thresholds(report)], float), expected, rtol=1e-13
    )


def test_threads_and_the_order_of_inputs_do_not_matter(series: Series, tmp_path: Path) -> None:
    """Dumps are replayed in the order of their steps, by any number of threads."""
    paths = [tmp_path / f"run/step_{step}.safetensors" for step in series]
    for name, inputs, jobs in (("one", paths, 1), ("more", paths[::-1], 3)):
        apply(inputs, tmp_path / name, strategy="clip-l2-per-layer", threshold="zclip:1", jobs=jobs)
    assert written(tmp_path / "one") == written(tmp_path / "more")
    assert written(tmp_path / "one") != written(tmp_path / "run")


def test_shards_are_one_history(series: Series, tmp_path: Path) -> None:
    """The steps of a dump in shards are those of the whole dump."""
    whole, parts = [], []
    for step, arrays in series.items():
        for rank, names in enumerate((["a.w"], ["b.w", "c.w"])):
            folder = tmp_path / f"sharded/step_{step}"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"model-0000{rank + 1}-of-00002.safetensors"
            safetensors.numpy.save_file({name: arrays[name] for name in names}, path)
            parts.append(path)
        whole.append(tmp_path / f"run/step_{step}.safetensors")
    first = apply(whole, strategy="clip-by-global-norm", threshold="zclip", dry_run=True)
    second = apply(parts, strategy="clip-by-global-norm", threshold="zclip", dry_run=True)
    assert thresholds(first) == thresholds(second)
