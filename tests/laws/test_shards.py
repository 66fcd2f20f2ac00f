"""A dump in shards is one dump: its norms are over all of them, and the same files come out."""

import io
import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from gradclip_cli import GradclipError, apply, stats
from gradclip_cli.errors import InputError, OutputError, UsageError
from gradclip_cli.render import write
from gradclip_cli.render.view import View

GRADIENTS: dict[str, NDArray[Any]] = {
    f"layers.{k}.{name}": np.random.default_rng(k).standard_normal((k + 2, 5)).astype(np.float32)
    for k in range(3)
    for name in ("weight", "bias")
}
NAMES = [f"model-{k:05d}-of-00003.safetensors" for k in (1, 2, 3)]


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A folder of three numbered shards and their index; a layer lies in more than one of them."""
    folder = tmp_path / "in"
    folder.mkdir()
    placed = {name: NAMES[k % 3] for k, name in enumerate(GRADIENTS)}
    for shard in NAMES:
        save_file({name: GRADIENTS[name] for name, where in placed.items() if where == shard}, folder / shard)
    index = {"metadata": {"total_size": sum(a.nbytes for a in GRADIENTS.values())}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(params=["model.safetensors.index.json", NAMES[0], NAMES[2], "."])
def given(sharded: Path, request: pytest.FixtureRequest) -> Path:
    """Every way in which a user may name the set."""
    return sharded / str(request.param)


def total() -> float:
    """The norm of all gradients, in float64."""
    return float(np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in GRADIENTS.values())))


def test_the_norm_is_over_all_shards(given: Path) -> None:
    """One dump, one norm, and layers that are put together from several shards."""
    found = stats(given)
    assert [dump.norm for dump in found.dumps] == [pytest.approx(total(), rel=1e-12)]
    assert [row.layer for row in found.layers] == ["layers.0", "layers.1", "layers.2"]


def test_the_same_shards_come_out(given: Path, tmp_path: Path) -> None:
    """Each shard is written under its own name, clipped by the norm of all, and the index beside them."""
    report = apply(given, tmp_path / "out", strategy="clip-by-global-norm", threshold=1.0)
    written = {name: array for shard in NAMES for name, array in load_file(tmp_path / "out" / shard).items()}
    factor = 1.0 / total()
    for name, array in GRADIENTS.items():
        np.testing.assert_array_max_ulp(written[name], (array.astype(np.float64) * factor).astype(np.float32), 1)
    (dump,) = report.dumps
    assert (dump.total.tensors, dump.total.groups) == (6, 1)
    assert dump.total.norm_after == pytest.approx(1.0, rel=1e-7)


def test_an_index_is_copied_and_names_the_dump(sharded: Path, tmp_path: Path) -> None:
    """Given its index, the set is reported as that, and the index comes out as it went in."""
    index = sharded / "model.safetensors.index.json"
    (dump,) = apply(index, tmp_path / "out", strategy="none").dumps
    out = tmp_path / "out" / index.name
    assert (dump.input, dump.output) == (str(index), str(out))
    assert out.read_bytes() == index.read_bytes()


def test_without_an_index_a_dump_is_the_list_of_its_shards(sharded: Path) -> None:
    """Numbered shards are reported as their list; naming two of them names one dump."""
    found = stats([sharded / NAMES[1], sharded / NAMES[0]])
    assert [dump.input for dump in found.dumps] == [[str(sharded / name) for name in NAMES]]


def test_in_place(sharded: Path) -> None:
    """The shards themselves are replaced."""
    apply(sharded / NAMES[0], in_place=True, strategy="clip-by-global-norm", threshold=1.0)
    assert stats(sharded / NAMES[0]).dumps[0].norm == pytest.approx(1.0, rel=1e-7)


def breaks(folder: Path, what: str) -> None:
    """Break the set in one way."""
    index = folder / "model.safetensors.index.json"
    if what == "missing":
        (folder / NAMES[1]).unlink()
    elif what == "twice":
        save_file(GRADIENTS, folder / NAMES[1])
    elif what == "elsewhere":
        index.write_text(index.read_text().replace(NAMES[0], "../" + NAMES[0]))
    elif what == "wrong file":
        index.write_text(index.read_text().replace("layers.0.weight", "layers.9.weight"))
    else:
        index.write_text("[]")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("missing", "which is not there"),
        ("twice", "stands in"),
        ("elsewhere", "not a plain name"),
        ("wrong file", "as the index says"),
        ("no index", "no weight_map"),
    ],
)
def test_a_broken_set_is_refused(sharded: Path, tmp_path: Path, what: str, reason: str) -> None:
    """A shard that is missing, a tensor in two of them, and an index that is wrong are errors of the input; nothing is written."""
    breaks(sharded, what)
    with pytest.raises(InputError, match=reason):
        apply(sharded / "model.safetensors.index.json", tmp_path / "out", strategy="none")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["..", "a\0b", "\ud800", "sub/shard.safetensors", "model.safetensors.index.json"], ids=ascii
)
def test_an_index_names_files_beside_it(name: str, sharded: Path, tmp_path: Path) -> None:
    """What is no name of a file, or leads elsewhere or back to the index, is refused in any command."""
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": name}}))
    for command in (stats, partial(apply, output=tmp_path / "out", strategy="none")):
        with pytest.raises(InputError, match="not a plain name"):
            command(index)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_an_index_is_a_file(kind: str, tmp_path: Path) -> None:
    """A FIFO, from which nothing may ever come, and a device, which may never end, are no indices."""
    index = tmp_path / "model.safetensors.index.json"
    if kind == "fifo":
        os.mkfifo(index)
    else:
        index.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="not a regular file"):
        stats(index)


def test_a_set_needs_a_directory(sharded: Path, tmp_path: Path) -> None:
    """A file in the way of the directory is an error of the output, another format is wrong usage."""
    (tmp_path / "out").touch()
    with pytest.raises(OutputError):
        apply(sharded / NAMES[0], tmp_path / "out", strategy="none")
    with pytest.raises(UsageError, match="keeps its format"):
        apply(sharded / NAMES[0], tmp_path / "new", strategy="none", output_format="npz")


def test_nothing_of_a_set_is_replaced_before_all_of_it_is_written(
    sharded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the last shard leaves the first as it was."""
    before = {path.name: path.read_bytes() for path in sharded.iterdir()}
    broken = dict(load_file(sharded / NAMES[2]))
    name = next(iter(broken))
    broken[name] = np.full_like(broken[name], np.nan)
    save_file(broken, sharded / NAMES[2])
    with pytest.raises(GradclipError):
        apply(sharded / NAMES[0], in_place=True, strategy="clip-by-global-norm", threshold=1.0)
    assert (sharded / NAMES[0]).read_bytes() == before[NAMES[0]]


RANKS = 3


@pytest.fixture
def ranks(tmp_path: Path) -> list[Path]:
    """Files of three ranks that hold the rows of the same tensors, not all as many, and one copy of a bias."""
    paths = []
    for rank in range(RANKS):
        rows = {name: array[rank::RANKS] for name, array in GRADIENTS.items()}
        paths.append(tmp_path / f"rank{rank}.safetensors")
        save_file({name: np.ascontiguousarray(array) for name, array in rows.items()}, paths[-1])
    return paths


@pytest.mark.parametrize("strategy", ["clip-by-global-norm", "clip-l2-per-layer", "clip-l2-per-param-type"])
def test_pieces_of_ranks_are_clipped_as_one_tensor(ranks: list[Path], tmp_path: Path, strategy: str) -> None:
    """What comes out of the pieces is what comes out of the whole tensors, to a step of the dtype."""
    whole = tmp_path / "whole.safetensors"
    save_file(GRADIENTS, whole)
    apply(whole, tmp_path / "clipped.safetensors", strategy=strategy, threshold=1.5)
    report = apply(ranks, tmp_path / "out", strategy=strategy, threshold=1.5, shards=True)
    expected = load_file(tmp_path / "clipped.safetensors")
    for rank, path in enumerate(ranks):
        for name, piece in load_file(tmp_path / "out" / path.name).items():
            np.testing.assert_array_max_ulp(piece, expected[name][rank::RANKS], 1)
    (dump,) = report.dumps
    assert dump.output == [str(tmp_path / "out" / path.name) for path in ranks]
    assert {param.name: param.elements for param in dump.params} == {name: a.size for name, a in GRADIENTS.items()}


def test_norms_of_ranks_add_up(ranks: list[Path]) -> None:
    """Squares of pieces add up to the squares of the tensors; a shape that differs between pieces is none."""
    found = stats(ranks, shards=True)
    (dump,) = found.dumps
    assert dump.input == [str(path) for path in ranks]
    assert dump.norm == pytest.approx(total(), rel=1e-12)
    by_name = {row.name: row for row in found.params}
    assert by_name.keys() == GRADIENTS.keys()
    for name, array in GRADIENTS.items():
        assert by_name[name].summary.mean == pytest.approx(float(np.linalg.norm(array.astype(np.float64))), rel=1e-12)
        assert by_name[name].shape == ((1, 5) if len(array) == RANKS else None)


def test_without_the_option_each_rank_is_a_dump(ranks: list[Path]) -> None:
    """Files with the same names are a series unless it is said that they are one dump."""
    with pytest.raises(InputError, match=r"other shapes .*--shards"):
        stats(ranks)
    assert len(stats(ranks, allow_missing=True).dumps) == RANKS


def test_copies_are_pointed_out(tmp_path: Path) -> None:
    """Pieces that are the same byte for byte may be copies, whose squares should not add up."""
    for rank in (0, 1):
        values = np.array([1, 2], np.float32) * (1 + rank)
        save_file({"copied": np.array([3, 4], np.float32), "sharded": values}, tmp_path / f"rank{rank}.safetensors")
    report = stats([tmp_path / f"rank{rank}.safetensors" for rank in (0, 1)], shards=True)
    (note,) = report.notes
    assert "copies" in note.text
    assert "copied" in note.text
    assert "sharded" not in note.text


def test_ranks_in_place(ranks: list[Path]) -> None:
    """The files of all ranks are replaced."""
    apply(ranks, in_place=True, strategy="clip-by-global-norm", threshold=1.0, shards=True)
    assert stats(ranks, shards=True).dumps[0].norm == pytest.approx(1.0, rel=1e-7)


def test_one_rank_is_no_set(ranks: list[Path]) -> None:
    """Pieces need two files or more."""
    with pytest.raises(UsageError, match="two ranks"):
        stats(ranks[0], shards=True)


@pytest.mark.parametrize("named", [NAMES[:1], NAMES])
def test_json_of_a_set_without_an_index(sharded: Path, tmp_path: Path, named: list[str]) -> None:
    """The JSON of a set is strict too where input and output are lists of paths."""
    apply_report = apply([sharded / name for name in named], tmp_path / "out", strategy="none")
    out = io.StringIO()
    write(apply_report, out, View("json"))
    (dump,) = json.loads(out.getvalue())["dumps"]
    assert dump["input"] == [str(sharded / name) for name in NAMES]
    assert dump["output"] == [str(tmp_path / "out" / name) for name in NAMES]


@pytest.mark.parametrize("strategy", ["clip-by-global-norm", "clip-l2-per-layer", "clip-by-norm", "clip-by-value"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_rule_over_pieces_is_one_number(missing: bool, strategy: str, tmp_path: Path) -> None:
    """Pieces are added and rounded once, so that `stats` suggests to the bit what `apply` uses, also where ranks lack tensors."""
    rng = np.random.default_rng(23)
    for step in range(6):
        (tmp_path / f"step_{step}").mkdir()
        for rank in range(RANKS):
            names = [f"l{k}.{which}" for k in range(3) for which in "wb" if not missing or (k + step + rank) % 3]
            arrays = {name: rng.standard_normal(7 + rank).astype(np.float32) for name in names}
            save_file(arrays, tmp_path / f"step_{step}/rank{rank}.safetensors")
    paths = sorted(tmp_path.glob("*/*.safetensors"))
    [suggested] = stats(paths, shards=True, strategy=strategy, allow_missing=missing).suggestions
    applied = apply(paths, shards=True, strategy=strategy, threshold="mean", dry_run=True, allow_missing=missing)
    assert suggested.threshold == applied.threshold


def test_a_shard_that_is_not_there_is_said_of_the_index(sharded: Path) -> None:
    """The message is about the index that was given, and names the file that it lists."""
    (sharded / NAMES[1]).unlink()
    with pytest.raises(
        InputError, match=rf"index\.json: lists {re.escape(NAMES[1])}, which is not there; copy the missing"
    ):
        stats(sharded / "model.safetensors.index.json")
