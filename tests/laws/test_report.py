"""What `report` says of a run is what `stats` and `check` say of it, bit for bit, in one reading."""

import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from support.official import save_as

from gradclip_cli import RunReport, check, report, stats
from gradclip_cli.render import json_report
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from laws.layouts import WRITERS

OF_STATS = ("norm_type", "tries", "skip_steps", "rule", "strategy")
"""Keywords that `check` has not."""


def text(found: Report) -> str:
    """A report with all of its figures, paths and notes."""
    stream = io.StringIO()
    json_report.write(found, stream, View())
    return stream.getvalue()


def same(found: RunReport, paths: Any, checked: Any = None, **told: Any) -> bool:
    """Whether a report says what the commands say of these paths; `check` of those that are `checked`."""
    own = {name: value for name, value in told.items() if name not in OF_STATS}
    alone = stats(paths, **told), check(paths if checked is None else checked, **own)
    errors = [list(map(str, one.failed)) for one in (found, found.check, *alone)]
    return [text(found.stats), text(found.check)] == list(map(text, alone)) and all(one == errors[0] for one in errors)


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """Six dumps: an explosion, a NaN, a tensor that never changes, zero rows, sums of what was before, tied and narrow tensors."""
    rng, total, paths = np.random.default_rng(3), np.zeros((40, 30)), list[Path]()
    still = rng.standard_normal((9000, 2)).astype(np.float32)
    for step in range(6):
        total = total + rng.standard_normal((40, 30))
        rows = rng.standard_normal((8, 40)).astype(np.float32) * (100 if step == 4 else 1)
        rows[3] = 0
        arrays = {
            "h.0.still.weight": still,
            "h.0.rows.weight": rows,
            "h.1.sum.weight": total.astype(np.float32),
            "h.1.half.weight": (rng.standard_normal((5, 7)) * 1e-6).astype(np.float16),
            "h.2.brain.weight": rng.standard_normal((5, 7)).astype(ml_dtypes.bfloat16),
            "h.2.wide.weight": rng.standard_normal((9000,)) * 1e200,
            "h.3.wave.weight": (rng.standard_normal((4, 4)) + 1j).astype(np.complex64),
        }
        arrays["h.3.copy.weight"] = arrays["h.0.rows.weight"]
        if step == 2:
            arrays["h.0.rows.weight"][5, 5] = np.nan
        paths.append(save_as(tmp_path / f"step{step}.safetensors", arrays))
    return paths


WAYS: list[dict[str, Any]] = [
    {},
    {"norm_type": 1.0, "strategy": "clip-l2-per-layer", "rule": "p90"},
    {"norm_type": 3.0, "tries": ("clip-by-value:0.5", "clip-by-norm:mean")},
    {"norm_type": float("inf")},
    {"tied": "once", "group_depth": 1, "jobs": 2},
    {"steps": "1:4", "include": ("h.0.*", "h.2.*")},
    {"unscale": 8.0, "exclude": ("*wide*",), "tries": ("clip-by-global-norm:1",)},
]


@pytest.mark.parametrize("told", WAYS, ids=str)
def test_one_reading_says_what_two_say(told: dict[str, Any], series: list[Path]) -> None:
    """Whatever is selected and summed, figures, findings, notes and errors are those of the commands alone."""
    assert same(report(series, **told), series, **told)


def test_every_layout(tmp_path: Path) -> None:
    """However a dump is spread over files, too."""
    for name, write in WRITERS.items():
        (folder := tmp_path / name).mkdir()
        given = write(folder)
        assert same(report(given.paths, **given.options), given.paths, **given.options), name


def test_dumps_that_are_left_out_or_skipped(series: list[Path]) -> None:
    """What cannot be read is left out of both; what is skipped counts for nothing in either."""
    series[3].write_bytes(b"broken")
    save_as(series[5], {"h.0.still.weight": np.ones((9000, 2), np.float32)})
    told: dict[str, Any] = {"keep_going": True, "allow_missing": True}
    assert same(report(series, **told), series, **told)
    assert same(report(series, skip_steps=2, **told), series, series[2:], skip_steps=2, **told)
    assert same(report(series, skip_steps=4, **told), series, series[4:], skip_steps=4, **told)


def test_steps_inside_files(tmp_path: Path) -> None:
    """Steps in groups of a file, and slices along axis 0, are dumps, of which the first may be skipped."""
    rng = np.random.default_rng(4)
    (tmp_path / "rest").mkdir()
    arrays = [{"a.w": rng.standard_normal((6, 4)), "b.w": rng.standard_normal((5, 3))} for _ in range(6)]
    for k, one in enumerate(arrays):
        one["b.w"][2] = 0 if k else 1
    grouped = {f"step_{k}/{name}": array for k, one in enumerate(arrays) for name, array in one.items()}
    path = save_as(tmp_path / "all.npz", grouped)
    rest = save_as(tmp_path / "rest" / "all.npz", {name: a for name, a in grouped.items() if name[:6] != "step_0"})
    assert same(report(path), path)
    assert findings(report(path, skip_steps=1)) == findings(report(rest)) != []
    sliced = [np.stack([one[name] for one in arrays]) for name in ("a.w", "b.w")]
    path = save_as(tmp_path / "slices.npz", {"a.w": sliced[0], "b.w": sliced[1], "step": np.arange(6)})
    rest = save_as(
        tmp_path / "rest" / "slices.npz", {"a.w": sliced[0][1:], "b.w": sliced[1][1:], "step": np.arange(1, 6)}
    )
    assert same(report(path, along=0), path, along=0)
    assert findings(report(path, along=0, skip_steps=1)) == findings(report(rest, along=0)) != []


def findings(found: RunReport) -> list[tuple[str, str]]:
    """What was found, and what was found about it."""
    return [(one.rule, one.message) for one in found.check.findings]


def test_logs(tmp_path: Path) -> None:
    """A log is read once for both."""
    path = tmp_path / "log.csv"
    rows = [f"{k},{1 + 20 * (k == 7)},{0.5 + k},1.0" for k in range(9)]
    path.write_text("\n".join(["step,grad_norm,grad_2.0_norm/h.0.w,grad_2.0_norm/h.1.w", *rows]))
    assert same(report(path), path)
    assert report(path, skip_steps=2).check.dumps == 7


class Counted:
    """Counts the bytes that are read of each file."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()

    def start(self, dumps: int, files: Iterable[str], passes: int) -> None:
        """Begin."""

    def advance(self, count: int, path: str) -> None:
        """Count."""
        self.read[path] += count


def test_dumps_are_read_once(tmp_path: Path) -> None:
    """Each element is read once, where no check asks for a tensor again."""
    rng = np.random.default_rng(5)
    paths = [save_as(tmp_path / f"{k}.npz", {"h.0.w": rng.standard_normal((300, 300))}) for k in range(5)]
    counted = Counted()
    report(paths, progress=counted)
    assert counted.read == {str(path): 8 * 300 * 300 for path in paths}
