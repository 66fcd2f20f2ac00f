"""A dump in shards is one dump: its norms are over all of them, and the same files come out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from gradclip_cli import GradclipError, apply, stats
from gradclip_cli.errors import InputError, OutputError, UsageError

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
        ("missing", "no such file"),
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
