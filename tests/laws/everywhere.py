"""Every report of one set of dumps, read in many ways: a process prints their digests, for others elsewhere to agree with.

PYTHONPATH=tests python -m laws.everywhere FOLDER small|0|1|2|large

A number stands for one way of `small`.
"""

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from golden.fixed import numbers
from support.official import Tensors, beside, save

import gradclip_cli
from gradclip_cli.formats import FORMATS
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.render import json_report
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from gradclip_cli.reports.run import RunReport
from gradclip_cli.strategies import STRATEGIES
from laws.pieces import patch_pieces

TYPES = (1.0, 2.0, float("inf"))
STEPS = 3
TRIES = (
    "clip-by-value:0.01",
    "clip-l2-per-layer:median",
    "clip-by-global-norm:1",
    "renormalize-l2-per-layer",
    "stable-spam",
)
UNITS = ("agc:0.25", "clip-by-unit-norm:median")
RULES = ("mean", "zscore:1", "autoclip:50", "zclip")

LIMITS: dict[str, Any] = {
    "exploding_factor": 1.0,
    "exploding_dumps": 2,
    "vanishing_mean": 0.5,
    "dead_share": 0.05,
    "dominated_share": 0.1,
    "underflow_share": 0.0,
    "spread_ratio": 1.0,
}
"""So strict that nearly every rule finds something, and says a figure of it."""


class Way(NamedTuple):
    """One way to read the dumps; none of them may change a bit of a report."""

    format: str = "safetensors"
    turned: bool = False
    jobs: int = 1
    piece_bytes: int | None = None


FEW = [Way(), Way("hdf5", turned=True), Way("npz", jobs=3, piece_bytes=1 << 16)]


def ways(size: str) -> list[Way]:
    """List the ways: one for each format, one of these by its number, or all that there are."""
    if size != "large":
        return FEW if size == "small" else [FEW[int(size)]]
    return [
        Way(format, turned, jobs, piece_bytes)
        for format in FORMATS
        for turned in (False, True)
        for jobs in (1, 2, 5)
        for piece_bytes in (None, 1, 100_000)
    ]


def tensors(step: int) -> Tensors:
    """Return the gradients of a step: many blocks, less than one, tiny numbers, and many small tensors."""
    seed = 100 * (step + 1)
    small = {f"small{k % 3}.w{k}": numbers(1 + k % 7, seed + k).astype(np.float32) for k in range(9)}
    return {
        "z.large": numbers(30_100, seed + 31).reshape(100, 301).astype(np.float32),
        "m.wide": numbers(9001, seed + 32),
        **small,
        "a.half": numbers(2 * 8192, seed + 33).reshape(2, 8192).astype(np.float16),
        "a.brain": numbers(10_345, seed + 34).reshape(2069, 5).astype(ml_dtypes.bfloat16),
        "c.wave": (numbers(9_100, seed + 38) + 1j * numbers(9_100, seed + 39)).astype(np.complex64),
        "h.tiny": numbers(900, seed + 36, "tiny").reshape(30, 30),
        "o.one": numbers(1, seed + 37).reshape(()),
        "o.none": np.zeros((0,), np.float32),
    }


def make(folder: Path) -> None:
    """Write all steps in every format and in two orders."""
    for turned in (False, True):
        (folder / order_of(turned)).mkdir(parents=True)
        for step in range(STEPS):
            found = tensors(step)
            listed = dict(reversed([*found.items()])) if turned else found
            for format in FORMATS:
                save(folder / order_of(turned), format, listed, f"step_{step}")


NORMED = [strategy for strategy in STRATEGIES if strategy.takes_norm]
"""The strategies that any norm is taken for."""


def order_of(turned: bool) -> str:
    """Name the folder of an order."""
    return "turned" if turned else "straight"


def reports(folder: Path, way: Way, size: str) -> Iterator[tuple[str, Report]]:
    """Yield what `stats`, `apply`, `diff` and `check` say, by what was asked."""
    paths = [beside(folder / order_of(way.turned) / "x", way.format, f"step_{step}") for step in range(STEPS)]
    told: dict[str, Any] = {"void_dtype": "bfloat16", "jobs": way.jobs}
    yield "diff", gradclip_cli.diff(paths[0], paths[1], rtol=0.1, **told)
    yield "check", gradclip_cli.check(paths, **LIMITS, **told)
    yield "stats of units", gradclip_cli.stats(paths, weights=paths[1], tries=UNITS, **told)
    for axis in ("first", "last"):
        options: dict[str, Any] = {"weights": paths[1], "unit_axis": axis, "dry_run": True}
        yield f"units {axis}", gradclip_cli.apply(paths[:2], strategy="agc", threshold=0.25, **options, **told)
    for p in TYPES:
        for rule in RULES if size == "large" else RULES[:1]:
            yield f"stats {p} {rule}", gradclip_cli.stats(paths, rule=rule, tries=TRIES, norm_type=p, **told)
        for strategy in STRATEGIES if size == "large" else NORMED[-2:]:
            if p == 2.0 or strategy.takes_norm:
                yield f"apply {p} {strategy.name}", _applied(paths[:2], strategy, p, told)
    yield "apply stable-spam", gradclip_cli.apply(paths, threshold="stable-spam", dry_run=True, **told)


def _applied(paths: list[Path], strategy: Any, p: float, told: dict[str, Any]) -> Report:
    threshold = 0.25 if strategy.takes_threshold else None
    norm_type = p if strategy.takes_norm else None
    weights = paths[0] if strategy.takes_weights else ()
    options = {"strategy": strategy.name, "threshold": threshold, "norm_type": norm_type, "weights": weights}
    return gradclip_cli.apply(paths, dry_run=True, **options, **told)


def digest(report: Report) -> str:
    """Hash the text of a report without what the way may change: the names of files, notes on them, and the order of rows."""
    text = io.StringIO()
    json_report.write(report, text, View())
    return hashlib.sha256(json.dumps(_settled(json.loads(text.getvalue()))).encode()).hexdigest()


def page_digest(report: RunReport) -> tuple[str, str, str]:
    """Return what tells apart two reports of a page: norms, problems, and counts by magnitude."""
    return digest(report.stats), digest(report.check), repr(report.values)


def _settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _settled(part) for key, part in value.items() if key not in {"input", "output", "notes"}}
    if isinstance(value, list):
        return sorted((_settled(part) for part in value), key=json.dumps)
    return value


def digests(folder: Path, size: str) -> dict[str, str]:
    """Return the digest of every report in every way."""
    found = {}
    for way in ways(size):
        with pytest.MonkeyPatch.context() as patch, one_call():
            if way.piece_bytes is not None:
                patch_pieces(patch, way.piece_bytes)
            for asked, report in reports(folder, way, size):
                found[f"{asked} | {' '.join(map(str, way))}"] = digest(report)
    return found


if __name__ == "__main__":
    print(json.dumps(digests(Path(sys.argv[1]), sys.argv[2])))
