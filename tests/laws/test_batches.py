"""Whether dumps are measured one by one, in batches, on threads or elsewhere: the report is the same to the byte."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from support.elsewhere import copied
from support.matrices import heavy
from support.official import save_as

import gradclip_cli
from gradclip_cli.engine import dump_batches, small_dumps
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.errors import GradclipError
from gradclip_cli.render import json_report
from gradclip_cli.render.view import View
from gradclip_cli.reports.run import RunReport
from laws.everywhere import LIMITS
from laws.layouts import WRITERS

Arrays = dict[str, NDArray[Any]]
Patch = pytest.MonkeyPatch

STEPS = 12


def gradients(seed: int) -> Arrays:
    """Small tensors of several sizes, two of which have the same bits; some steps have NaN or infinities."""
    rng = np.random.default_rng(seed)
    found: Arrays = {
        "embed.weight": rng.standard_normal((8, 4)).astype(np.float32),
        **{f"h.{k}.weight": rng.standard_normal((4, 3 + k % 2)).astype(np.float32) for k in range(5)},
        "h.0.bias": rng.standard_normal(3),
        "empty": np.empty((0, 4), np.float32),
        "count": np.arange(4),
    }
    found["head.weight"] = found["embed.weight"].copy()
    if seed % 5 == 3:
        found["h.1.weight"][2, 1], found["h.0.bias"][1] = np.nan, -np.inf
    return found


def plain(folder: Path) -> dict[str, Any]:
    """A file for each step; every fourth says something of itself, so that its header is another."""
    for step in range(STEPS):
        metadata = {"stage": "before-clip"} if step % 4 == 1 else None
        save_file(gradients(step), folder / f"step_{step}.safetensors", metadata)
    return {}


def formats(folder: Path) -> dict[str, Any]:
    """Files of all formats in turn."""
    for step in range(STEPS):
        save_as(folder / f"step_{step}{('.safetensors', '.npz', '.h5')[step // 2 % 3]}", gradients(step))
    return {}


def scaled(folder: Path) -> dict[str, Any]:
    """Files with the loss scale that each has in its metadata, and a limit on elements that depends on it."""
    for step in range(STEPS):
        scale = 2.0 ** (step // 3)
        arrays = {name: array * scale for name, array in gradients(step).items() if array.dtype == np.float64}
        save_file(arrays, folder / f"step_{step}.safetensors", {"loss_scale": str(scale)})
    return {"unscale": "loss_scale", "tries": ["clip-elementwise-absolute-value:0.5"]}


def tied(folder: Path) -> dict[str, Any]:
    """Tied tensors count once, as the first dump has them; in one dump they are zero."""
    plain(folder)
    save_file({name: array * 0 for name, array in gradients(5).items()}, folder / "step_5.safetensors")
    return {"tied": "once"}


def lacking(folder: Path) -> dict[str, Any]:
    """Files that lack tensors of others."""
    plain(folder)
    arrays = gradients(7)
    del arrays["h.2.weight"]
    save_file(arrays, folder / "step_7.safetensors")
    return {"allow_missing": True}


def ranks(folder: Path) -> dict[str, Any]:
    """A folder for each step, with the files of two ranks."""
    for step in range(STEPS):
        (folder / f"step_{step}").mkdir()
        for rank in range(2):
            part = {"w": gradients(step)["embed.weight"] + rank, "norm": gradients(step)["h.0.bias"]}
            save_file(part, folder / f"step_{step}" / f"rank_{rank}.safetensors")
    return {"shards": True}


def shards(folder: Path) -> dict[str, Any]:
    """A folder for each step, with two shards and their index."""
    for step in range(STEPS):
        inner, arrays = folder / f"step_{step}", gradients(step)
        inner.mkdir()
        names = [f"g-{k:05d}-of-00002.safetensors" for k in (1, 2)]
        for k, name in enumerate(names):
            save_file(dict(list(arrays.items())[k::2]), inner / name)
        placed = {tensor: names[k % 2] for k, tensor in enumerate(arrays)}
        (inner / "g.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    return {}


def groups(folder: Path) -> dict[str, Any]:
    """Three files with four steps each."""
    for file in range(3):
        steps = {
            f"step{step}/{name}": a for step in range(4 * file, 4 * file + 4) for name, a in gradients(step).items()
        }
        save_file(steps, folder / f"part_{'abc'[file]}.safetensors")
    return {}


def chosen_steps(folder: Path) -> dict[str, Any]:
    """Some steps of files with several."""
    groups(folder)
    return {"steps": "2-9"}


def micro_batches(folder: Path) -> dict[str, Any]:
    """Two files for each step, whose mean is the dump."""
    for step in range(STEPS):
        for part in range(2):
            arrays = gradients(step)
            save_file({"w": arrays["embed.weight"] + part}, folder / f"step_{step}_micro_{part}.safetensors")
    return {"accumulate": "mean"}


def slices(folder: Path) -> dict[str, Any]:
    """Two files whose slices along axis 0 are dumps."""
    for file in range(2):
        arrays = {"embed.weight": gradients(file)["embed.weight"], "step": np.arange(8) + 8 * file}
        save_file(arrays, folder / f"log_{'ab'[file]}.safetensors")
    return {"along": 0}


def broken(folder: Path) -> dict[str, Any]:
    """Files that are cut short, empty, no dump, or of other tensors."""
    plain(folder)
    (folder / "step_2.safetensors").write_bytes((folder / "step_2.safetensors").read_bytes()[:-3])
    (folder / "step_5.safetensors").write_bytes(b"")
    save_file({"other": np.ones(3)}, folder / "step_6.safetensors")
    (folder / "step_9.safetensors").write_bytes(b"\x80\x04pickle")
    return {"keep_going": True}


def refused(folder: Path) -> dict[str, Any]:
    """The same, where the first error ends the call."""
    return {**broken(folder), "keep_going": False}


def skipped(folder: Path) -> dict[str, Any]:
    """The same, where the first dumps are skipped whether they can be read or not."""
    return {**broken(folder), "skip_steps": 4}


def repeated(folder: Path) -> dict[str, Any]:
    """A run that was resumed: both of its folders hold some steps."""
    for name, first in (("a", 0), ("b", 5)):
        (folder / name).mkdir()
        for step in range(first, first + 8):
            save_file(gradients(step + first), folder / name / f"step_{step}.safetensors")
    return {"inputs": [folder / "a", folder / "b"]}


def stuck(folder: Path) -> dict[str, Any]:
    """A row that is zero, rows that stay the same, all or some of the time, a tensor that does, and one that comes later."""
    rows = np.random.default_rng(9).standard_normal((6, 70)).astype(np.float32)
    for step in range(STEPS):
        w = np.random.default_rng(step).standard_normal((6, 70)).astype(np.float32)
        w[1], w[2] = 0, rows[2]
        w[4] = rows[4] if step < 7 else w[4]
        arrays = {"a.w": w, "b.w": rows * 1e-8, "b.v": rows.astype(np.float64), "c.w": np.where(step < 5, rows, w)}
        save_file({**arrays, **({"d.w": w} if step > 8 else {})}, folder / f"step_{step}.safetensors")
    return {"allow_missing": True}


def late(folder: Path) -> dict[str, Any]:
    """Rows that stay the same in the first steps, and others in a tensor that comes after them."""
    for step in range(STEPS):
        first, now = (np.random.default_rng(seed).standard_normal((6, 70)) for seed in (0, step))
        arrays = {"a.w": np.concatenate([now[:2], now[2:] if step > 4 else first[2:]])}
        later = {"b.w": np.concatenate([now[:2], first[2:]])} if step > 7 else {}
        save_file({**arrays, **later}, folder / f"step_{step}.safetensors")
    return {"allow_missing": True}


SERIES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    one.__name__: one
    for one in (
        *(plain, formats, scaled, tied, lacking, ranks, shards, groups, chosen_steps, micro_batches, slices),
        *(broken, refused, skipped, repeated, stuck, late),
    )
}


Report = Callable[..., Any]

REPORTS: Mapping[str, Report] = {
    "stats": gradclip_cli.stats,
    "check": partial(gradclip_cli.check, **LIMITS),
    "report": gradclip_cli.report,
}


def reported(report: Report, paths: Iterable[Path], options: Mapping[str, Any], jobs: int) -> str:
    """Return the report as JSON, notes included, with the errors of dumps that are left out; or the error."""
    out = io.StringIO()
    try:
        found = report(list(paths), jobs=jobs, **options)
    except GradclipError as error:
        return f"{type(error).__name__}: {error}"
    for one in (found.stats, found.check) if isinstance(found, RunReport) else (found,):
        json_report.write(one, out, View())
    return "\n".join([out.getvalue(), *map(str, found.failed), *map(str, found.notes)])


_sent: list[object] = []
"""The batches that copies of a task have measured."""


def one_by_one(patch: Patch) -> None:
    """Measure each dump by itself, piece by piece."""
    patch.setattr(small_dumps, "PIECE_BYTES", -1)
    patch.setattr(small_dumps, "_TASK_BYTES", -1)


def on_threads(patch: Patch) -> None:
    """Spread batches over threads, however small dumps are."""
    patch.setattr(small_dumps, "_ON_THREADS", 0)
    patch.setattr(small_dumps, "_TASK_BYTES", 1 << 40)


def elsewhere(patch: Patch) -> None:
    """Let copies of the task do copies of the items, the last one first."""
    on_threads(patch)

    def work(threads: Threads, task: Callable[[Any], Any], items: Iterable[Any], nbytes: int = 0) -> Iterator[Any]:
        every = list(items)
        if not isinstance(getattr(task, "__self__", None), dump_batches.BatchTask):
            yield from map(task, every)
            return
        _sent.extend(every)
        yield from reversed([copied(copied(task)(copied(item))) for item in reversed(every)])

    _sent.clear()
    patch.setattr(Threads, "map", work)


def ways(report: Report, paths: Iterable[Path], options: Mapping[str, Any], monkeypatch: Patch) -> dict[str, str]:
    """Return what is reported in each way to work."""
    found = {"in batches": reported(report, paths, options, 1)}
    for way, jobs in ((one_by_one, 1), (one_by_one, 3), (on_threads, 3), (elsewhere, 3)):
        with monkeypatch.context() as patch:
            patch.setattr(small_dumps, "_MOST_DUMPS", 3)
            way(patch)
            found[f"{way.__name__} {jobs}"] = reported(report, paths, options, jobs)
    return found


@pytest.mark.parametrize(
    ("series", "report"),
    [(one, "stats") for one in SERIES]
    + [
        pytest.param(one, "check", marks=heavy if k % 2 else ())
        for k, one in enumerate(SERIES)
        if one not in ("scaled", "skipped")
    ]
    + [(one, "report") for one in ("scaled", "skipped", "stuck")],
)
def test_a_series(series: str, report: str, tmp_path: Path, monkeypatch: Patch) -> None:
    """Figures, problems, notes, errors and their order are those of dumps that are measured one by one."""
    options = SERIES[series](tmp_path)
    found = ways(REPORTS[report], options.pop("inputs", [tmp_path]), options, monkeypatch)
    assert len(set(found.values())) == 1, found
    assert ("Error" in found["in batches"][:12]) == (series == "refused")
    assert bool(_sent) == (series != "slices")  # a slice is no dump that can be read by itself


@pytest.mark.parametrize("layout", WRITERS)
def test_a_layout(layout: str, tmp_path: Path, monkeypatch: Patch) -> None:
    """A dump of any layout has the same report in each way to work."""
    given = WRITERS[layout](tmp_path)
    assert len(set(ways(gradclip_cli.stats, given.paths, given.options, monkeypatch).values())) == 1


def test_an_error_is_that_of_the_first_dump_that_has_one(tmp_path: Path) -> None:
    """Without --keep-going, what comes after it in its batch changes nothing."""
    said = reported(gradclip_cli.stats, [tmp_path], refused(tmp_path), 2)
    assert said.startswith(f"InputError: {tmp_path / 'step_2.safetensors'}: tensors end at byte ")
    failed = gradclip_cli.stats(tmp_path, keep_going=True).failed
    assert [Path(error.path or "").stem for error in failed] == [f"step_{k}" for k in (2, 5, 6, 9)]
