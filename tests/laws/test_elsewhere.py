"""Whoever does the work, this process or others that share nothing with it, outputs and reports are the same to the byte."""

import json
import os
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.elsewhere import act
from support.matrices import crossed
from support.official import BFLOAT16, Tensors, save, savez, savez_compressed
from support.tensors import gradients

import gradclip_cli
from gradclip_cli.errors import GradclipError, InputError, OutputError
from gradclip_cli.formats import by_offset
from gradclip_cli.render import json_report
from gradclip_cli.render.view import View

STEPS = 4


def tensors(seed: int) -> Tensors:
    """Return gradients of several pieces, in both orders, and small ones; `calm` has slices that are zero or never change."""
    calm = np.array(gradients(600 * 70, seed=7).reshape(600, 70))
    calm[3:590] = gradients(587 * 70, seed=seed).reshape(587, 70)
    calm[5], calm[11] = 0, 0
    return {
        "a.large": gradients(150_000, seed=seed).reshape(300, 500),
        "a.turned": np.asfortranarray(gradients(90_000, seed=seed + 1).reshape(300, 300)),
        "b.half": gradients(70_000, "float16", seed=seed + 2),
        "b.calm": calm,
        "c.wide": gradients(9_000, "float64", seed=seed + 3, scale=2.0).reshape(300, 30),
        **{f"d.small{k}": gradients(30 * k, seed=seed + k) for k in range(6)},
        "e.count": np.arange(70_000),
    }


def bad(seed: int) -> Tensors:
    """Return the same with elements that are not finite in a later piece, and in a small tensor."""
    found = {name: array.copy("K") for name, array in tensors(seed).items()}
    found["a.large"][251, 7], found["a.large"][290, 1] = np.nan, np.inf
    found["a.turned"][7, 250] = -np.inf
    found["d.small3"][5] = np.nan
    return found


def _packed_hdf5(path: Path, arrays: Tensors) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", chunks=True)


def _mixed_npz(path: Path, arrays: Tensors) -> None:
    """Save all arrays but the first as they are, and that deflated."""
    savez(path, **arrays)
    with zipfile.ZipFile(path) as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for k, (name, data) in enumerate(members.items()):
            archive.writestr(name, data, zipfile.ZIP_STORED if k else zipfile.ZIP_DEFLATED)


MAKERS: dict[str, Callable[[Path, Tensors], object]] = {
    "g.safetensors": lambda path, arrays: save(path.parent, "safetensors", arrays, path.stem),
    "g.h5": lambda path, arrays: save(path.parent, "hdf5", arrays, path.stem),
    "g.npz": lambda path, arrays: savez(path, **arrays),
    "packed.h5": _packed_hdf5,
    "packed.npz": lambda path, arrays: savez_compressed(path, **arrays),
    "mixed.npz": _mixed_npz,
}
PLAIN = ("g.safetensors", "g.h5", "g.npz")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make every kind of dump once."""
    folder = tmp_path_factory.mktemp("made")
    for name, make in MAKERS.items():
        make(folder / name, tensors(0))
    for step in range(STEPS):
        for name in PLAIN:
            folder.joinpath(name[2:]).mkdir(exist_ok=True)
            make_one(folder / name[2:] / f"step_{step}.{name[2:]}", bad(10 * step) if step == 2 else tensors(10 * step))
    return folder


def make_one(path: Path, arrays: Tensors) -> None:
    """Write a dump of the kind that a name without a folder has."""
    MAKERS[f"g{path.suffix}"](path, arrays)


@pytest.fixture(autouse=True)
def _small_pieces(piece_bytes: Callable[[int], None]) -> None:
    piece_bytes(1 << 16)


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def both(monkeypatch: pytest.MonkeyPatch, run: Callable[[str], Any]) -> tuple[Any, Any, Any]:
    """Return what `run` returns in this process, what it returns if others do the work, and how many maps these did.

    No copy of a descriptor may stay open.
    """
    here = run("here")
    with monkeypatch.context() as patch:
        maps, before = act(patch), _open_files()
        there = run("there")
        assert _open_files() <= before
        return here, there, maps


def applied(source: Path | list[Path], folder: Path, suffix: str, **options: Any) -> Callable[[str], bytes]:
    """Return what applies a strategy and returns the bytes of the output, with the report; gradients are their own weights."""
    if options["strategy"] == "agc":
        options["weights"] = source

    def run(name: str) -> bytes:
        target = folder / f"{name}.{options['strategy']}{suffix}"
        report = gradclip_cli.apply(source, target, void_dtype="bfloat16", **options)
        return target.read_bytes() + _json(report).replace(f"{name}.", "out.").encode()

    return run


def _json(report: Any) -> str:
    out = StringIO()
    json_report.write(report, out, View())
    return json.dumps({key: value for key, value in json.loads(out.getvalue()).items() if key != "seconds"})


STRATEGIES: tuple[dict[str, Any], ...] = (
    {"strategy": "clip-by-global-norm", "threshold": 0.01},
    {"strategy": "clip-by-global-norm", "threshold": 1e9},
    {"strategy": "clip-l2-per-layer", "threshold": 0.2},
    {"strategy": "clip-l2-per-param-type", "threshold": 0.2, "layers": {"b": (None, 1e6)}},
    {"strategy": "clip-by-value", "threshold": 0.002},
    {"strategy": "renormalize-l2-per-layer"},
    {"strategy": "clip-by-unit-norm", "threshold": 0.02},
    {"strategy": "agc", "threshold": 0.5, "unit_axis": "last"},
    {"strategy": "none"},
)
OPTIONS: tuple[dict[str, Any], ...] = ({}, {"output_dtype": "bfloat16"}, {"exclude": ["c.*", "d.small2"]})


@pytest.mark.parametrize(
    ("name", "suffix", "strategy", "options"),
    crossed(tuple(MAKERS), (".safetensors", ".h5", ".npz"), STRATEGIES, OPTIONS, rounds=2),
    ids=str,
)
def test_outputs(
    name: str,
    suffix: str,
    strategy: dict[str, Any],
    options: dict[str, Any],
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every format is turned into every other, under every group of strategies, to the same bytes and figures."""
    here, there, maps = both(monkeypatch, applied(made / name, tmp_path, suffix, **strategy, **options))
    assert here == there
    assert maps.sent


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("ahead", [True, False])
def test_what_lies_at_offsets_is_written_elsewhere(
    name: str, ahead: bool, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays in this process where nothing is packed, whether much is copied ahead or all is written in the second pass."""
    run = applied(made / name, tmp_path, name[1:], strategy="clip-by-global-norm", threshold=1e3 if ahead else 1e-3)
    here, there, maps = both(monkeypatch, run)
    assert here == there
    assert (maps.sent > 0, maps.kept) == (True, 0)


@pytest.mark.parametrize("name", ["packed.h5", "packed.npz", "mixed.npz"])
def test_what_is_packed_is_written_here(name: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a packed file is measured elsewhere and written here."""
    run = applied(made / name, tmp_path, name[-4:], strategy="clip-by-global-norm", threshold=1e-3)
    here, there, maps = both(monkeypatch, run)
    assert here == there
    assert (maps.sent, maps.kept) == (1, 1)


@pytest.mark.parametrize("name", PLAIN)
def test_accumulated_files_and_slices(name: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are added, and slices that are dumps, are read and written elsewhere to the same bytes."""
    suffix = name[1:]
    files = [tmp_path / f"step_0_micro_{k}{suffix}" for k in range(2)]
    for k, file in enumerate(files):
        make_one(file, tensors(k))
    run = applied(files, tmp_path, suffix, strategy="clip-l2-per-layer", threshold=0.2, accumulate="mean")
    here, there, maps = both(monkeypatch, run)
    assert (here == there, maps.kept) == (True, 0)
    sliced = {key: np.ascontiguousarray(array) for key, array in tensors(0).items() if len(array) == 300}
    make_one(tmp_path / f"slices{suffix}", sliced)
    run = applied(
        tmp_path / f"slices{suffix}", tmp_path, suffix, strategy="clip-by-global-norm", threshold=0.05, along=0
    )
    here, there, maps = both(monkeypatch, run)
    assert (here == there, maps.kept) == (True, 0)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("policy", ["zero", "skip", "propagate"])
def test_nonfinite(name: str, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN and infinities are found in the same places, and become the same."""
    make_one(tmp_path / name, bad(0))
    run = applied(tmp_path / name, tmp_path, name[1:], strategy="clip-by-global-norm", threshold=0.5, nonfinite=policy)
    here, there, maps = both(monkeypatch, run)
    assert (here == there, maps.kept) == (True, 0)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(
    "command",
    [
        lambda folder: gradclip_cli.check(folder, underflow_dtype=["float16", "stored"], jobs=1),
        lambda folder: gradclip_cli.stats(folder, jobs=1),
        lambda folder: gradclip_cli.stats(folder, tries=["agc:0.1"], weights=next(folder.iterdir()), jobs=1),
        lambda folder: gradclip_cli.show(next(folder.iterdir()), jobs=1),
        lambda folder: gradclip_cli.diff(*sorted(folder.iterdir())[:2], jobs=1),
    ],
    ids=["check", "stats", "units", "show", "diff"],
)
def test_reports(name: str, command: Callable[[Path], Any], made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts out of range, slices that are zero or never change, and places that are not finite are the same in all reports."""
    here, there, maps = both(monkeypatch, lambda _: _json(command(made / name[2:])))
    assert here == there
    assert maps.sent


def test_check_finds_something(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report that is the same is not an empty one: row 5 and 11 are zero, rows 0 to 2 and the last never change."""
    act(monkeypatch)
    found = [one for one in gradclip_cli.check(made / "npz", jobs=1).findings if one.param == "calm"]
    assert {(one.rule, one.slice) for one in found if one.slice} == {("dead", "5, 11"), ("unchanged", "0-2, 590-599")}


def test_a_damaged_archive_is_found(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bit that changed in a stored array is found by its checksum, whoever reads it."""
    data = bytearray((made / "g.npz").read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "g.npz").write_bytes(data)

    def run(_: str) -> str:
        with pytest.raises(InputError) as error:
            gradclip_cli.stats(tmp_path / "g.npz", jobs=1)
        return str(error.value)

    here, there, maps = both(monkeypatch, run)
    assert here == there
    assert "its CRC is wrong" in there
    assert maps.sent


def test_a_disk_that_is_full(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of writing arrives from elsewhere with the path of the output, and nothing is left."""

    def refuse(fd: int, offset: int, data: Any, path: str) -> None:
        raise OutputError("no space left on device", path=path)

    act(monkeypatch)
    monkeypatch.setattr(by_offset, "write_at", refuse)
    with pytest.raises(GradclipError, match=r"out\.npz: no space left on device") as error:
        gradclip_cli.apply(made / "g.npz", tmp_path / "out.npz", strategy="clip-by-global-norm", threshold=1e-3)
    assert isinstance(error.value, OutputError)
    assert list(tmp_path.iterdir()) == []


def test_dtypes_and_byte_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of float, complex numbers and the other byte order are written elsewhere as here."""
    for suffix, kinds in (
        (".npz", (">f4", "<f8", "<f2", "<c8", ">c16")),
        (".safetensors", (">f4", "<f8", ">f2", "<c8")),
    ):
        arrays = {str(k): gradients(20_000, seed=k).astype(kind) for k, kind in enumerate(kinds)}
        arrays["half"] = gradients(20_000).astype(BFLOAT16).view("V2")
        savez(tmp_path / "g.npz", **arrays)
        run = applied(tmp_path / "g.npz", tmp_path, suffix, strategy="clip-l2-per-layer", threshold=0.01)
        here, there, maps = both(monkeypatch, run)
        assert (here == there, maps.kept) == (True, 0)
