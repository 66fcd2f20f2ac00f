"""Wherever files are, reports and outputs are the same to the byte, but for the locations in them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file
from support.memory_store import MemoryStore, memory_store, upload_folder
from support.official import savez_compressed

from gradclip_cli import apply, check, diff, ls, render, show, stats
from gradclip_cli.cli.output import show_notes
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.render import RENDERERS, json_report
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from laws.layouts import ARRAYS, WRITERS

THERE = "memory://bucket/run"


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """A store in memory."""
    with memory_store() as store:
        yield store


def written(folder: Path, layout: str) -> tuple[Sequence[Path], dict[str, Any]]:
    """Write dumps in a layout; return what a user gives of them, and with which options."""
    folder.mkdir()
    if layout == "steps":
        return _steps(folder), {}
    given = WRITERS[layout](folder)
    return given.paths, dict(given.options)


def _steps(folder: Path) -> list[Path]:
    """Write three steps, a folder and a format each, and beside them a log and what is no dump; name their folder."""
    for step in (1, 2, 10):
        arrays = {name: array * np.float32(step) for name, array in ARRAYS.items()}
        inner = folder / f"step_{step}"
        inner.mkdir()
        if step == 1:
            save_file(arrays, inner / "g.safetensors")
        elif step == 2:
            savez_compressed(inner / "g.npz", **arrays)
        else:
            with h5py.File(inner / "g.h5", "w") as file:
                for k, (name, array) in enumerate(arrays.items()):
                    packed = {"compression": "gzip", "chunks": (2, 3)} if k % 2 else {}
                    file.create_dataset(name, data=array, **packed)
    (folder / "trainer_state.json").write_text('{"log_history": [{"step": 1, "grad_norm": 0.5}]}')
    (folder / "notes.txt").write_text("nothing")
    return [folder]


def said(command: Callable[[], Report]) -> str:
    """A report as JSON; of what is refused, why."""
    try:
        report = command()
    except UsageError as error:
        return str(error)
    stream = StringIO()
    json_report.write(report, stream, View("json"))
    return stream.getvalue()


def all_said(paths: Sequence[str], output: str, options: dict[str, Any]) -> str:
    """What all commands say of dumps."""
    commands: list[Callable[[], Report]] = [
        partial(stats, paths, **options),
        partial(check, paths, **options),
        partial(ls, paths),
        partial(show, paths[0], include=["*bias"]),
        partial(diff, paths[0], paths[-1]),
        partial(apply, paths, output, threshold=1.0, **options),
    ]
    return "\n".join(map(said, commands))


@pytest.mark.parametrize("layout", [*WRITERS, "steps"])
def test_every_layout_is_the_same_in_a_store(layout: str, tmp_path: Path, store: MemoryStore) -> None:
    """All commands say the same of files in a store as of files here, and write the same files there."""
    here, out = tmp_path / "in", tmp_path / ("out.safetensors" if layout in ("single", "series") else "out")
    paths, options = written(here, layout)
    upload_folder(store, here, THERE)
    before = dict(store.files)

    def moved(text: object) -> str:
        return str(text).replace(str(tmp_path / "in"), THERE).replace(str(out), f"memory://bucket/{out.name}")

    local = all_said(list(map(str, paths)), str(out), options)
    assert all_said(list(map(moved, paths)), moved(out), options) == moved(local)
    assert '"clipped"' in local
    files = {moved(path): path.read_bytes() for path in [out, *out.rglob("*")] if path.is_file()}
    assert store.files == before | files
    assert len(files) > 0
    assert store.pending == {}


@pytest.mark.parametrize("format", RENDERERS)
def test_no_secret_of_a_url_is_shown(
    format: str, store: MemoryStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Users, passwords and what signs a request are in no report, in no note and in no error."""
    save_file(ARRAYS, tmp_path / "g.safetensors")
    urls = [f"memory://me:secret@b/run{k}/g.safetensors?x=1&sig=secret{k}" for k in range(2)]
    store.files |= dict.fromkeys(urls, (tmp_path / "g.safetensors").read_bytes())
    stream = StringIO()
    for report in (stats([*urls, urls[0]]), ls(urls), check(urls), show(urls[0]), diff(*urls)):
        render.write(report, stream, View(format))
        show_notes(report)
    with pytest.raises(InputError) as caught:
        stats(urls[0].replace("run0", "run7"))
    notes = capsys.readouterr().err
    assert "secret" not in stream.getvalue() + notes + str(caught.value)
    assert "g.safetensors?" in stream.getvalue()
    assert "note: memory://…@b/run0/g.safetensors?…: is the same file" in notes
    assert str(caught.value) == "memory://…@b/run7/g.safetensors?…: does not exist; check the name"
