"""What `stats --try` says is what `apply` does: cosine and energy of the files that it writes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from support.official import FLOATS, Tensors, beside, clip, load, save
from support.oracle import is_gradient

from gradclip_cli import stats
from gradclip_cli.formats import FORMATS
from gradclip_cli.reports.stats_thresholds import Tried
from gradclip_cli.strategies import STRATEGIES, find

TRIES = tuple(f"{s.name}:0.4" if s.takes_threshold else s.name for s in STRATEGIES)


def flat(tensors: Tensors) -> np.ndarray:
    """All gradients of a dump, one after the other, as float64."""
    return np.concatenate(
        [tensors[name].astype(np.float64).ravel() for name in sorted(tensors) if is_gradient(tensors[name])]
    )


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Σa·b, added exactly: BLAS is off by more than what is promised here, on some processors."""
    return math.fsum((a * b).tolist())


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine of two vectors."""
    return dot(a, b) / math.sqrt(dot(a, a)) / math.sqrt(dot(b, b))


def one(path: Path, text: str, **options: Any) -> Tried:
    """Try out one thing on one dump; a strategy that takes weights has the dump's own."""
    if find(text.partition(":")[0]).takes_weights:
        options["weights"] = path
    report = stats(path, tries=[text], void_dtype="bfloat16", **options)
    assert report.tries is not None
    return report.tries[0]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("text", TRIES)
def test_what_is_said_is_what_is_done(text: str, dtype: np.dtype, gradients: Tensors, tmp_path: Path) -> None:
    """Read back, the output has the cosine and the energy that were told, to the rounding of its dtype."""
    tensors = {name: array.astype(dtype) for name, array in gradients.items()}
    path = save(tmp_path, "safetensors", tensors)
    strategy, _, threshold = text.partition(":")
    clip(path, out := beside(path, "safetensors"), strategy=strategy, threshold=threshold or None)
    before, after = flat(tensors), flat(load(out))
    row, eps = one(path, text), float(ml_dtypes.finfo(dtype).eps)
    energy = 1 - dot(after, after) / dot(before, before)
    assert row.cosine == pytest.approx(cosine(before, after), abs=4 * eps)
    assert row.lost_energy == pytest.approx(energy, abs=4 * eps * (1 + abs(energy)))


@pytest.mark.parametrize(("norm_type", "epsilon"), [(1.0, 0.0), (float("inf"), 0.1), (2.0, 1.0)])
@pytest.mark.parametrize("strategy", [s.name for s in STRATEGIES if s.takes_norm])
def test_with_another_norm(strategy: str, norm_type: float, epsilon: float, gradients: Tensors, tmp_path: Path) -> None:
    """The law holds under another norm type and an epsilon."""
    tensors = {name: array.astype(np.float64) for name, array in gradients.items()}
    path, options = save(tmp_path, "safetensors", tensors), {"norm_type": norm_type, "epsilon": epsilon}
    clip(path, out := beside(path, "safetensors"), strategy=strategy, threshold=0.4, **options)
    before, after = flat(tensors), flat(load(out))
    row = one(path, f"{strategy}:0.4", **options)
    assert row.cosine == pytest.approx(cosine(before, after), abs=1e-13)
    assert row.lost_energy == pytest.approx(1 - dot(after, after) / dot(before, before), abs=1e-13)


@pytest.mark.parametrize("text", TRIES)
def test_the_same_bits(text: str, piece_bytes: Callable[[int], None], tmp_path: Path) -> None:
    """What is said does not depend on threads, pieces, the order of the tensors, or the format."""
    rng = np.random.default_rng(17)
    tensors = {f"l{k % 3}.{k}": rng.standard_normal(size) for k, size in enumerate((50_001, 8192, 5, 70_000, 5, 1))}
    turned = dict(reversed(tensors.items()))
    paths = [save(tmp_path, format, tensors, format) for format in FORMATS] + [save(tmp_path, "npz", turned, "turned")]
    usual = one(paths[0], text, jobs=1)
    found = [one(path, text, jobs=jobs) for path in paths for jobs in (1, 4)]
    piece_bytes(1 << 15)
    found += [one(path, text, jobs=jobs) for path in paths for jobs in (1, 4)]
    assert all(row == usual for row in found)
