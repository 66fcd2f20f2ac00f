"""Where the first NaN or infinity of a tensor is does not depend on how it is stored, cut and read: numpy finds it there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.matrices import crossed
from support.official import BFLOAT16, E4M3FN, E5M2, FLOATS, FNUZ, Array, Tensors, save_as, save_deflated, savez

import gradclip_cli
from laws.layouts import shard
from laws.pieces import patch_pieces

SHAPES = {"block.w": (100, 97), "conv.w": (3, 5, 7, 11), "bias": (97,), "one": (), "wide": (2, 20_000), "fine": (9, 9)}
"""Tensors of several pieces, of several axes, and small ones that are measured together; `fine` stays finite."""

Where = dict[str, tuple[list[int], str, int]]
"""By name, the index of the first element that is not finite, what it is, and how many there are."""


def spoilt(dtype: Any, seed: int, share: float) -> dict[str, Array]:
    """Return arrays in which so many elements are NaN or infinite, one at least, but in `fine`."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in SHAPES.items():
        array = np.asarray(rng.standard_normal(shape)).astype(dtype)
        count = 0 if name == "fine" else max(1, int(array.size * share))
        at = rng.choice(array.size, count, replace=False)
        kinds = rng.choice([np.nan, np.inf, -np.inf], count)
        if np.issubdtype(array.dtype, np.complexfloating):
            kinds = kinds + 1j
        array.reshape(-1)[at] = kinds.astype(dtype)
        found[name] = array
    return found


def kind_of(value: Any) -> str:
    """Name an element that is not finite; a complex one is infinite if a part is."""
    if np.iscomplexobj(value):
        return "+Inf" if np.isinf(value.real) or np.isinf(value.imag) else "NaN"
    wide = float(value)
    return "NaN" if np.isnan(wide) else "+Inf" if wide > 0 else "-Inf"


def expected(tensors: Tensors) -> Where:
    """Look for them with numpy in whole arrays."""
    found: Where = {}
    for name, array in tensors.items():
        wide = array if np.iscomplexobj(array) else array.astype(np.float64)
        places = np.argwhere(~np.isfinite(wide))
        if len(places):
            found[name] = places[0].tolist(), kind_of(array[tuple(places[0])]), len(places)
    return found


def seen(path: Any, **options: Any) -> Where:
    """Return what `stats` says of them."""
    return {
        one.name: (one.index, one.kind, one.nan + one.posinf + one.neginf)
        for one in gradclip_cli.stats(path, **options).nonfinite
    }


def save_turned(path: Path, tensors: Tensors) -> None:
    """Write an npz file whose arrays are in column-major order."""
    savez(path, **{name: np.asarray(array, order="F") for name, array in tensors.items()})


def save_bands(path: Path, tensors: Tensors) -> None:
    """Write an HDF5 file in gzipped chunks that cut rows and columns."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in tensors.items():
            packing = {"chunks": tuple(min(7, n) for n in array.shape), "compression": "gzip"} if array.shape else {}
            file.create_dataset(name, data=array, **packing)


WAYS: dict[str, Callable[[Path, Tensors], Any]] = {
    "plain.safetensors": save_as,
    "plain.h5": save_as,
    "plain.npz": save_as,
    "turned.npz": save_turned,
    "deflated.npz": save_deflated,
    "bands.h5": save_bands,
}


@pytest.mark.parametrize(("way", "jobs", "piece", "share"), crossed(WAYS, [1, 2, 5], [1, 1 << 16, None], [0.0, 0.3]))
def test_it_is_where_numpy_finds_it(
    way: str, jobs: int, piece: int | None, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index, the kind and the count are those of the whole array, in every format, order, size of pieces and thread."""
    tensors = spoilt(np.float32, len(way) + jobs, share)
    WAYS[way](tmp_path / way, tensors)
    if piece is not None:
        patch_pieces(monkeypatch, piece)
    assert seen(tmp_path / way, jobs=jobs) == expected(tensors)


@pytest.mark.parametrize(
    "dtype", [*FLOATS, E4M3FN, E5M2, *FNUZ, np.dtype(np.complex64), np.dtype(np.complex128)], ids=str
)
def test_every_dtype(dtype: np.dtype[Any], tmp_path: Path) -> None:
    """NaN and infinities are found in every float type, among them those that have no infinity, and in complex ones."""
    tensors = spoilt(dtype, 3, 0.01)
    suffix = ".npz" if dtype == np.complex128 else ".safetensors"  # which has no such type
    assert seen(save_as(tmp_path / f"g{suffix}", tensors)) == expected(tensors)


def test_pieces_that_say_where_they_belong(tmp_path: Path) -> None:
    """In a distributed checkpoint the index is within the whole tensor, though a later piece by name holds the first element."""
    whole = np.ones((6, 5), np.float32)
    whole[1, 4], whole[2, 0], whole[5, 1] = np.inf, np.nan, np.nan
    corners = [(3, 0), (3, 2), (0, 2), (0, 0)]
    for rank, (r, c) in enumerate(corners, 1):
        shard(tmp_path, rank, {"w": ((r, c), whole[r : r + 3][:, c : c + 2 if c == 0 else None])})
    (one,) = gradclip_cli.stats(tmp_path).nonfinite
    assert (one.index, one.kind, one.nan, one.posinf, one.elements, one.file) == ([1, 4], "+Inf", 2, 1, 30, None)


def test_pieces_that_do_not(tmp_path: Path) -> None:
    """In files of ranks it is within the piece of the first of them that has any, which is named."""
    paths = []
    for rank in range(3):
        piece = np.full((2, 3), rank + 1.0, np.float32)
        piece[1, rank] = np.nan if rank else 1
        save_file({"w": piece}, path := tmp_path / f"rank{rank}.safetensors")
        paths.append(path)
    (one,) = gradclip_cli.stats(paths, shards=True).nonfinite
    assert (one.index, one.nan, one.elements, one.file) == ([1, 1], 2, 18, str(paths[1]))
    (found,) = gradclip_cli.check(paths, shards=True).findings
    assert "2 NaN of 18 elements, the first at [1, 1] of its piece in rank1.safetensors" in found.message


@pytest.mark.parametrize(("piece", "width"), crossed([1, None], [5, 9000]))
def test_slices(piece: int | None, width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --along 0 it is within the slice, of each step by itself."""
    log = np.ones((4, 3, width), np.float32)
    log[1, 2, width - 1], log[3, 1, 3] = np.nan, -np.inf
    log[3, 2, 0] = np.nan
    bias = np.ones((4, 2), np.float32)
    bias[2] = np.inf
    savez(tmp_path / "log.npz", w=log, b=bias)
    if piece is not None:
        patch_pieces(monkeypatch, piece)
    rows = gradclip_cli.stats(tmp_path / "log.npz", along=0).nonfinite
    assert [(one.step, one.name, one.index, one.kind) for one in rows] == [
        (1, "w", [2, width - 1], "NaN"),
        (2, "b", [0], "+Inf"),
    ]
    found = gradclip_cli.check(tmp_path / "log.npz", along=0, ignore=["unchanged", "dead"]).findings
    assert [(one.step, one.layer, one.index) for one in found if one.rule == "nonfinite"] == [
        (1, "w", [2, width - 1]),
        (2, "b", [0]),
    ]


def test_a_series_in_one_file(tmp_path: Path) -> None:
    """Each step of a file is looked at by itself, and each tensor is named at its first."""
    rng = np.random.default_rng(0)
    steps = {f"step{k}/{name}": rng.standard_normal((3, 4)) for k in range(1, 5) for name in ("a.w", "b.w")}
    steps["step2/a.w"][2, 1] = steps["step3/a.w"][0, 0] = steps["step4/b.w"][1, 3] = np.nan
    savez(tmp_path / "run.npz", **steps)
    rows = gradclip_cli.stats(tmp_path / "run.npz").nonfinite
    assert [(one.step, one.name, one.index) for one in rows] == [(2, "a.w", [2, 1]), (4, "b.w", [1, 3])]


def test_micro_batches(tmp_path: Path) -> None:
    """What is accumulated is looked at as it is added: infinities of two signs make a NaN."""
    for k, value in enumerate((np.inf, -np.inf)):
        savez(tmp_path / f"micro{k}.npz", w=np.array([[1.0, 2.0], [value, 3.0]]))
    (one,) = gradclip_cli.stats([tmp_path / f"micro{k}.npz" for k in range(2)], accumulate="mean").nonfinite
    assert (one.index, one.kind, one.nan, one.posinf) == ([1, 0], "NaN", 1, 0)


def test_bfloat16_in_hdf5(tmp_path: Path) -> None:
    """Elements that the format has no type for are decoded first."""
    array = np.ones((4, 4)).astype(BFLOAT16)
    array[3, 2] = -np.inf
    save_as(tmp_path / "g.h5", {"w": array})
    assert seen(tmp_path / "g.h5") == {"w": ([3, 2], "-Inf", 1)}
