"""The slice that holds most of a tensor's square, and its largest element, are those of plain numpy on the whole array."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.matrices import crossed
from support.official import BFLOAT16, Array, savez

import gradclip_cli
from gradclip_cli.errors import InputError
from gradclip_cli.reports.check import Finding
from laws.layouts import shard
from laws.pieces import patch_pieces
from laws.test_first_nonfinite import WAYS

SHAPES = {"matrix.w": (40, 1001), "moe.experts.w": (8, 30, 41), "conv.w": (30, 4, 3, 3)}
WORDS = {"matrix.w": "row", "moe.experts.w": "expert", "conv.w": "slice"}


def steps(name: str, which: int, dtype: Any = np.float32, count: int = 6) -> list[dict[str, Array]]:
    """Return steps of which the fifth explodes by one slice of one tensor."""
    rng = np.random.default_rng(len(name))
    found = [{key: rng.standard_normal(shape) for key, shape in SHAPES.items()} for _ in range(count)]
    found[4][name][which] *= 1000
    return [{key: array.astype(dtype) for key, array in step.items()} for step in found]


def exploding(path: Any, **options: Any) -> Finding:
    """Return the one finding of what explodes."""
    (one,) = [one for one in gradclip_cli.check(path, **options).findings if one.rule == "exploding"]
    return one


def agrees(one: Finding, array: Array, name: str) -> None:
    """Hold a finding against numpy in float64."""
    wide = array.astype(np.complex128) if np.iscomplexobj(array) else array.astype(np.float64)
    squares = (np.abs(wide) ** 2).sum(axis=tuple(range(1, wide.ndim)))
    which = int(squares.argmax())
    assert one.slice == str(which)
    assert one.index == np.argwhere(np.abs(wide) == np.abs(wide).max())[0].tolist()
    share = 100 * squares[which] / squares.sum()
    text = "> 99.99" if f"{share:.4g}" == "100" else f"{share:.4g}"
    assert f"; {WORDS[name]} {which} of {name} holds {text} % of the tensor's square" in one.message


@pytest.mark.parametrize(
    ("way", "name", "jobs", "piece"), crossed(WAYS, SHAPES, [1, 2, 5], [1, 1 << 16, None], rounds=2)
)
def test_a_slice_is_named(
    way: str, name: str, jobs: int, piece: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one slice holds most of the square of a tensor in a step that explodes, it is named with its share."""
    dumps = steps(name, 5)
    for k, tensors in enumerate(dumps):
        WAYS[way](tmp_path / f"step_{k}.{way.partition('.')[2]}", tensors)
    if piece is not None:
        patch_pieces(monkeypatch, piece)
    one = exploding(tmp_path, jobs=jobs, exploding_factor=5, exploding_dumps=5)
    assert one.step == 4
    agrees(one, dumps[4][name], name)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, BFLOAT16, np.complex64, np.complex128], ids=str)
def test_every_dtype(dtype: Any, tmp_path: Path) -> None:
    """Squares are taken in float64, of complex elements by their moduli."""
    dumps = steps("moe.experts.w", 3, dtype)
    for k, tensors in enumerate(dumps):
        WAYS["plain.npz"](tmp_path / f"step_{k}.npz", tensors)
    one = exploding(tmp_path, exploding_factor=5, void_dtype="bfloat16")
    agrees(one, dumps[4]["moe.experts.w"], "moe.experts.w")


def test_huge_elements(tmp_path: Path) -> None:
    """Squares that are above float64 are none: elements are divided by the largest first."""
    for k in range(6):
        array = np.full((10, 10), 1e200 if k == 4 else 1.0 + k)
        array[7] *= 1e80 if k == 4 else 1
        savez(tmp_path / f"step_{k}.npz", **{"a.w": array, "b.w": np.array([1.0 + k])})
    one = exploding(tmp_path)
    assert (one.slice, one.index) == ("7", [7, 0])


def test_a_checkpoint_in_pieces(tmp_path: Path) -> None:
    """Rows of a tensor that lie in four files of a distributed checkpoint are put together first."""
    rng = np.random.default_rng(0)
    for k in range(6):
        whole = rng.standard_normal((6, 5)).astype(np.float32)
        whole[4] *= 1000 if k == 4 else 1
        folder = tmp_path / f"step_{k}"
        folder.mkdir()
        for rank, (r, c) in enumerate([(0, 0), (0, 2), (3, 0), (3, 2)], 1):
            shard(folder, rank, {"w": ((r, c), whole[r : r + 3][:, c : c + 2 if c == 0 else None])})
        if k == 4:
            peak = np.argwhere(np.abs(whole) == np.abs(whole).max())[0].tolist()
    one = exploding([tmp_path / f"step_{k}" for k in range(6)])
    assert (one.slice, one.index) == ("4", peak)


def test_pieces_of_ranks(tmp_path: Path) -> None:
    """A row of a piece that does not say where it belongs is named with its file."""
    rng = np.random.default_rng(0)
    for k in range(6):
        (tmp_path / f"step_{k}").mkdir()
        for rank in range(2):
            piece = rng.standard_normal((8, 5)).astype(np.float32)
            piece[2] *= 1000 if (k, rank) == (4, 1) else 1
            save_file({"w": piece}, tmp_path / f"step_{k}" / f"rank{rank}.safetensors")
    folders = [tmp_path / f"step_{k}" for k in range(6)]
    one = exploding(folders, shards=True)
    assert one.slice == "2"
    assert "rank1.safetensors" in one.message


def test_slices_as_dumps(tmp_path: Path) -> None:
    """With --along 0 the rows are those of the slice that explodes; its tensor may be packed."""
    rng = np.random.default_rng(0)
    log = rng.standard_normal((6, 9, 2000))
    log[4, 7] *= 1000
    np.savez_compressed(tmp_path / "log.npz", w=log)
    one = exploding(tmp_path / "log.npz", along=0)
    agrees(one._replace(message=one.message.replace(" of w ", " of matrix.w ")), log[4], "matrix.w")


@pytest.mark.parametrize("shape", [(50,), (3, 40), (1, 9), (2, 2)])
def test_what_is_no_news(shape: tuple[int, ...], tmp_path: Path) -> None:
    """A vector has no slices, and of two or three rows one holds most by nature; the largest element is told all the same."""
    for k in range(6):
        array = np.full(shape, 1.0 + k / 10)
        array[-1] *= 1000 if k == 4 else 1
        savez(tmp_path / f"step_{k}.npz", **{"a.w": array, "b.w": np.array([1.0 + k])})
    one = exploding(tmp_path)
    assert one.slice is None
    assert one.index == [shape[0] - 1, 0][: len(shape)]
    assert "holds" not in one.message


def test_little_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor that is a large part of a large series is not read again; the finding stays as it is."""
    monkeypatch.setattr("gradclip_cli.engine.slice_squares._LEAST", 10)
    for k, tensors in enumerate(steps("matrix.w", 5)):
        savez(tmp_path / f"step_{k}.npz", **tensors)
    one = exploding(tmp_path)
    assert (one.slice, one.index) == (None, None)


def test_stats_names_it_in_the_largest_step(tmp_path: Path) -> None:
    """`stats` has the largest element of the largest step, and the slice with its share, under any norm."""
    dumps = steps("moe.experts.w", 3)
    for k, tensors in enumerate(dumps):
        savez(tmp_path / f"step_{k}.npz", **tensors)
    wide = dumps[4]["moe.experts.w"].astype(np.float64)
    squares = (wide**2).sum(axis=(1, 2))
    for p in (1.0, 2.0, float("inf")):
        peak = gradclip_cli.stats(tmp_path, norm_type=p).peak
        assert peak is not None
        assert (peak.step, peak.name, peak.slice, peak.slices) == (4, "moe.experts.w", 3, 8)
        assert peak.index == np.argwhere(np.abs(wide) == np.abs(wide).max())[0].tolist()
        assert peak.max_abs == np.abs(wide).max()
        assert peak.share == pytest.approx(squares[3] / squares.sum(), rel=1e-12)


def test_stats_of_one_dump_or_of_none_that_is_finite(tmp_path: Path) -> None:
    """One step stands out of nothing, and of steps that are not finite none is the largest."""
    savez(tmp_path / "step_1.npz", w=np.eye(8))
    assert gradclip_cli.stats(tmp_path / "step_1.npz").peak is None
    savez(tmp_path / "step_2.npz", w=np.full((8, 8), np.nan))
    peak = gradclip_cli.stats(tmp_path).peak
    assert peak is not None
    assert (peak.step, peak.index, peak.slice) == (1, [0, 0], None)
    savez(tmp_path / "step_1.npz", w=np.full((8, 8), np.inf))
    assert gradclip_cli.stats(tmp_path).peak is None


def test_a_file_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a dump cannot be read again all other figures hold."""
    for k, tensors in enumerate(steps("matrix.w", 5)):
        savez(tmp_path / f"step_{k}.npz", **tensors)

    def gone(*_: Any) -> Any:
        raise InputError("has changed")

    monkeypatch.setattr("gradclip_cli.commands.stats.peak.largest_slice", gone)
    monkeypatch.setattr("gradclip_cli.commands.check.slices_named.largest_slice", gone)
    assert gradclip_cli.stats(tmp_path).peak is None
    assert exploding(tmp_path).slice is None


def test_a_vector_is_not_read_again(tmp_path: Path) -> None:
    """`stats` reads a tensor again only where a row of it may stand out."""
    for k in range(3):
        savez(tmp_path / f"step_{k}.npz", w=np.ones(8) * k, v=np.ones((1, 3)))
    assert gradclip_cli.stats(tmp_path).peak is None
