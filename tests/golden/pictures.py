"""The pictures of fixed reports, as the plain data that Vega-Lite draws: `make golden-pictures` writes them, a test holds them.

Norms are exact there: each tensor has the elements 3 and 4 times a power of two, or one element that is not finite.
"""

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from support.run_reports import run_report

from gradclip_cli.render.html.figures import pictures
from gradclip_cli.reports.run import RunReport

FOLDER = Path(__file__).parent / "pictures"

_ROOM = 120
"""The characters of a line."""

STEPS, TENSORS = (
    12,
    ("embed.weight", "h.0.attn.weight", "h.0.mlp.weight", "h.1.attn.weight", "h.1.mlp.weight", "head.weight"),
)


def reports() -> dict[str, RunReport]:
    """Return the reports by the names of their files: a run that is held against another, and one dump, with weights."""
    with tempfile.TemporaryDirectory(prefix="gradclip-golden-") as name:
        run, other, weights = Path(name, "run"), Path(name, "other"), Path(name, "weights.safetensors")
        _write(run, faults=True)
        _write(other, faults=False)
        save_file({tensor: np.array([12.0, 16.0], np.float32) for tensor in TENSORS}, weights)
        beside = (str(weights),)
        return {
            "run": run_report(str(run), "run", str(other), ("clip-by-global-norm:10",), beside, 2.0**-10),
            "dump": run_report(str(run / "step_00003.safetensors"), "dump", weights=beside),
        }


def record(report: RunReport) -> dict[str, Any]:
    """Return the pictures of a report as JSON has them; floats have twelve digits, which are the same on every machine."""
    return {name: _plain(one._asdict()) for name, one in pictures(report).items()}


def text_of(record: Mapping[str, Any]) -> str:
    """Return a record as JSON; what is short stands on one line."""
    return f"{_lines(record, '')}\n"


def _write(folder: Path, *, faults: bool) -> None:
    """Write a run that falls; with faults, one tensor rises first, all explode, and an element is NaN."""
    folder.mkdir()
    for step in range(1, STEPS + 1):
        sizes = [2.0 ** (column % 3 - step // 4) for column in range(len(TENSORS))]
        if faults and step in (8, 9):
            sizes = [size * (256.0 if column == 3 else 64.0 if step == 9 else 1.0) for column, size in enumerate(sizes)]
        arrays = {
            name: np.array([3.0, 4.0], np.float32) * np.float32(size) for name, size in zip(TENSORS, sizes, strict=True)
        }
        if faults and step == STEPS:
            arrays[TENSORS[4]][0] = np.nan
        save_file(arrays, folder / f"step_{step:05}.safetensors")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.12g}")
    return value


def _lines(value: Any, indent: str) -> str:
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(line) <= _ROOM:
        return line
    deeper = f"{indent} "
    if isinstance(value, dict):
        rows = [f"{json.dumps(key, ensure_ascii=False)}: {_lines(one, deeper)}" for key, one in value.items()]
    elif isinstance(value, list):
        rows = [_lines(one, deeper) for one in value]
    else:
        return line
    body = f",\n{deeper}".join(rows)
    return f"{line[0]}\n{deeper}{body}\n{indent}{line[-1]}"


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, report in reports().items():
        (FOLDER / f"{name}.json").write_text(text_of(record(report)), encoding="utf-8")


if __name__ == "__main__":
    main()
