"""What `report` says of a run is what `stats` and `check` say of it, bit for bit, in one reading."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from support.official import load, save_as

from gradclip_cli import RunReport, UsageError, check, report, stats
from gradclip_cli.engine import measure
from gradclip_cli.engine.executors import choice
from gradclip_cli.engine.executors.processes import Processes
from gradclip_cli.render import json_report
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from laws.layouts import WRITERS

PieceBytes = Callable[[int], None]

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
    texts = text(found.stats), text(found.check)
    return texts == (text(alone[0]), text(alone[1])) and all(one == errors[0] for one in errors)


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """Six dumps: an explosion, a NaN, a tensor that never changes, zero rows, sums of what was before, tied and narrow tensors."""
    rng, total, paths = np.random.default_rng(3), np.zeros((40, 30)), list[Path]()
    still = rng.standard_normal((9000, 2)).astype(np.float32)
    for step in range(6):
        total = total + rng.standard_normal((40, 30))
        rows = rng.standard_normal((8, 40)).astype(np.float32) * (100 if step == 4 else 1)
        rows[3] = 0
        arrays: dict[str, Any] = {
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
        one["b.w"][1], one["b.w"][2] = 0, 0 if k else 1
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


def counted(arrays: Iterable[np.ndarray], scale: float = 1.0) -> tuple[int, int, Counter[int]]:
    """Count elements with plain numpy: zeros, what is not finite, and the others by exponent."""
    zeros, nonfinite, exponents = 0, 0, Counter[int]()
    for array in arrays:
        size = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)) / scale
        zeros, nonfinite = zeros + int((size == 0).sum()), nonfinite + int((~np.isfinite(size)).sum())
        exponents.update((np.frexp(size[np.isfinite(size) & (size > 0)])[1] - 1).tolist())
    return zeros, nonfinite, exponents


def held(found: RunReport, dumps: Sequence[Mapping[str, np.ndarray]], scale: float = 1.0) -> None:
    """Hold the counts of a report against those of the tensors in its dumps."""
    assert found.values is not None
    layers, steps = found.values.layers, found.values.steps
    assert len(dumps) == 1 or steps.names == [str(dump.step) for dump in found.stats.dumps]
    assert list(layers.names) == [row.layer for row in found.stats.layers]
    of_layers = {
        name: [a for dump in dumps for key, a in dump.items() if key.rpartition(".")[0] == name]
        for name in layers.names
    }
    for part, expected in ((layers, list(of_layers.values())), (steps, [dump.values() for dump in dumps])):
        assert (part.least, part.counts.shape) == (layers.least, (len(part.names), layers.counts.shape[1]))
        for row, arrays in enumerate(expected):
            counts = {part.least + k: n for k, n in enumerate(part.counts[row].tolist()) if n}
            assert (part.zeros[row], part.nonfinite[row], counts) == counted(arrays, scale), part.names[row]
    assert layers.counts[:, 0].any()
    assert layers.counts[:, -1].any()


@pytest.mark.parametrize("told", [{}, {"jobs": 2}, {"unscale": 8.0}, {"unscale": 3.0}], ids=str)
def test_values_are_counted_as_numpy_does(told: dict[str, Any], series: list[Path], piece_bytes: PieceBytes) -> None:
    """Each element of every dtype counts in the exponent of its magnitude, divided by the loss scale, in pieces of any size."""
    if told:
        piece_bytes(1000)
    dumps = [load(path) for path in series]
    held(report(series, values=True, **told), dumps, told.get("unscale", 1.0))


def test_values_are_counted_in_processes(
    series: list[Path], piece_bytes: PieceBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts of worker processes are those of this one."""
    maps, begin = [0], Processes._begin

    def begun(workers: Processes, *given: Any) -> bool:
        maps[0] += (started := begin(workers, *given))
        return started

    monkeypatch.setattr(Processes, "_begin", begun)
    for name, least in (("LEAST_JOBS", 2), ("LEAST_BYTES", 1), ("LEAST_MAP", 1)):
        monkeypatch.setattr(choice, name, least)
    monkeypatch.setattr(choice, "available", lambda: 2)
    monkeypatch.setattr(measure, "_LEAST_EACH", 0)
    piece_bytes(1 << 14)
    held(report(series, values=True, jobs=2), [load(path) for path in series])
    assert maps[0] >= len(series)


def test_what_does_not_count_is_not_counted(series: list[Path]) -> None:
    """Copies, tensors that are not selected, and dumps that are skipped or left out are in no count."""
    dumps = [load(path) for path in series]
    series[3].write_bytes(b"broken")
    found = report(series, values=True, tied="once", exclude=("*wide*",), skip_steps=1, keep_going=True)
    taken = [dumps[k] for k in (1, 2, 4, 5)]
    assert {one.name for one in found.stats.params} == set(dumps[0]) - {"h.3.copy.weight", "h.2.wide.weight"}
    held(
        found,
        [{key: a for key, a in one.items() if key not in ("h.3.copy.weight", "h.2.wide.weight")} for one in taken],
    )


def test_values_of_steps_inside_files(tmp_path: Path, piece_bytes: PieceBytes) -> None:
    """Steps of which two files hold the same count once; slices along axis 0 count for their own steps, and so do pieces of ranks."""
    rng = np.random.default_rng(6)
    for name in ("micro", "ranks"):
        (tmp_path / name).mkdir()
    dumps = [{"a.w": rng.standard_normal((6, 4)), "b.w": rng.standard_normal((50, 3))} for _ in range(5)]
    for name, some in (("1.npz", (0, 1, 2)), ("2.npz", (2, 3, 4))):
        save_as(
            tmp_path / name,
            {f"step_{k}/{key}": a + (name == "1.npz" and k == 2) for k in some for key, a in dumps[k].items()},
        )
    held(report([tmp_path / "1.npz", tmp_path / "2.npz"], values=True), dumps)
    save_as(tmp_path / "step_2.npz", dumps[2])
    with pytest.raises(UsageError, match=r"step_2.npz holds step 2, which a file of several steps holds, too"):
        report([tmp_path / "1.npz", tmp_path / "step_2.npz"], values=True, repeated="first")
    sliced = {name: np.stack([one[name] for one in dumps]) for name in ("a.w", "b.w")}
    path = save_as(tmp_path / "slices.npz", {**sliced, "step": np.arange(5)})
    for nbytes in (1 << 20, 100):
        piece_bytes(nbytes)
        held(report(path, values=True, along=0), dumps)
        held(report(path, values=True, along=0, skip_steps=2), dumps[2:])
    for k in (0, 1):
        save_as(tmp_path / "micro" / f"micro{k}.npz", dumps[k])
    summed = {key: dumps[0][key] + dumps[1][key] for key in dumps[0]}
    held(report(tmp_path / "micro", values=True, accumulate="sum"), [summed])
    given = WRITERS["ranks"](tmp_path / "ranks")
    held(report(given.paths, values=True, **given.options), given.dumps)
