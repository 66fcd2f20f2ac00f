"""An index is read once, when the dump is found, and has to be the same when the dump is written."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gradclip_cli import stats
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts import index
from gradclip_cli.inputs.layouts.numbered import NUMBERED
from gradclip_cli.inputs.source import DumpSource


def write(path: Path, weight_map: object) -> str:
    """Write an index."""
    path.write_text(json.dumps({"weight_map": weight_map}))
    return str(path)


@pytest.fixture
def source(tmp_path: Path) -> DumpSource:
    """An index of two shards, which need not be there to be named."""
    (tmp_path / "step_5").mkdir()
    return index.FINDER.read(
        write(tmp_path / "step_5" / "g.safetensors.index.json", {"w": "b.st", "v": "a.st", "u": "b.st"})
    )


def test_its_shards_lie_beside_it_in_order(source: DumpSource) -> None:
    """Each shard is named once, and the dump is called by the index, and of its step."""
    folder = os.path.dirname(source.location)
    assert source.files == (f"{folder}/a.st", f"{folder}/b.st")
    assert (source.label, source.step) == (source.location, 5)


def test_its_own_step_comes_before_that_of_its_shards(tmp_path: Path) -> None:
    """A step in the name of the index is the dump's; else it is that of the first shard."""
    (tmp_path / "run").mkdir()
    for name, step in (("step_7", 7), ("g", 3)):
        path = write(tmp_path / "run" / f"{name}.safetensors.index.json", {"w": "step_3.st"})
        assert index.FINDER.read(path).step == step


def test_outputs_go_beside_the_index(source: DumpSource) -> None:
    """Shards keep their names, and the index goes with them."""
    output = source.layout.output_files(source, "out/g.safetensors.index.json")
    assert output.files == ("out/a.st", "out/b.st")
    assert output.companions == ("out/g.safetensors.index.json",)
    assert source.layout.companions(source) == (source.location,)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([["v"], ["w", "u", "v"]], "stands in a.st too"),
        ([["v", "u"], ["w"]], "is not in b.st, as the index says"),
        ([["v", "t"], ["w", "u"]], "not named by the index"),
    ],
)
def test_the_index_and_its_shards_agree(source: DumpSource, names: list[list[str]], reason: str) -> None:
    """A tensor stands in the one shard that the index names for it."""
    source.layout.check(source, [["v"], ["w", "u"]])
    with pytest.raises(InputError, match=reason):
        source.layout.check(source, names)


def test_an_index_that_is_written_to_is_another(source: DumpSource) -> None:
    """After it was read, an index may not change, or go."""
    write(Path(source.location), {"w": "b.st"})
    with pytest.raises(InputError, match="changed while it was read"):
        source.layout.check_unchanged(source)
    os.unlink(source.location)
    with pytest.raises(InputError, match="no such file"):
        source.layout.check_unchanged(source)


def test_it_accounts_for_its_shards(source: DumpSource) -> None:
    """An index stands where it was named first; its shards among the paths are no dumps of their own."""
    paths = [source.files[1], "other", source.location, source.location, source.files[0]]
    ((found, positions, _),) = index.FINDER.find(paths)
    assert (found, sorted(positions), positions[0]) == (source, [0, 2, 3, 4], 2)


def save(folder: Path, *names: str, value: float = 1) -> None:
    """Write shards, each with a tensor of one element."""
    for k, name in enumerate(names):
        save_file({f"w{k}": np.full(1, value, np.float32)}, folder / name)


SPLIT = ("g-00001-of-00002.safetensors", "g-00002-of-00002.safetensors")


@pytest.mark.parametrize("given", ["folder", "glob", "files"])
def test_the_index_decides_about_other_shards(tmp_path: Path, given: str) -> None:
    """Shards of another split, and the whole in one file, are left out, with a note; other files are dumps of their own."""
    save(tmp_path, *SPLIT)
    save(tmp_path, "g-00001-of-00003.safetensors", "g-00003-of-00003.safetensors", "g.safetensors", value=9)
    index_path = write(tmp_path / "g.safetensors.index.json", {"w0": SPLIT[0], "w1": SPLIT[1]})
    every = sorted(str(path) for path in tmp_path.iterdir())
    paths = {"folder": [str(tmp_path)], "glob": every, "files": [path for path in every if path != index_path]}[given]
    found = find_dumps(paths)
    assert [(source.location, source.step) for source in found.sources] == [(index_path, None)]
    (note,) = found.notes
    assert (note.kind, note.times, note.changes_figures) == ("not-in-index", 3, True)
    assert stats(paths).dumps[0].norm == pytest.approx(2**0.5, rel=1e-15)


def test_one_split_that_is_given_alone_is_taken(tmp_path: Path) -> None:
    """The user may choose what the index does not name."""
    save(tmp_path, *SPLIT)
    save(tmp_path, "g-1-of-3.safetensors", "g-2-of-3.safetensors", "g-3-of-3.safetensors", value=2)
    write(tmp_path / "g.safetensors.index.json", {"w0": SPLIT[0], "w1": SPLIT[1]})
    (source,) = find_dumps([str(tmp_path / "g-1-of-3.safetensors")]).sources
    assert (len(source.files), source.layout) == (3, NUMBERED)


def test_two_indices_of_the_same_tensors_are_one_dump(tmp_path: Path) -> None:
    """Of two complete splits the first is taken, with a note; an index with other tensors is another dump."""
    save(tmp_path, *SPLIT)
    save(tmp_path, "h-1-of-2.safetensors", "h-2-of-2.safetensors")
    write(tmp_path / "g.safetensors.index.json", {"w0": SPLIT[0], "w1": SPLIT[1]})
    write(tmp_path / "h.safetensors.index.json", {"w0": "h-1-of-2.safetensors", "w1": "h-2-of-2.safetensors"})
    found = find_dumps([str(tmp_path)])
    assert [Path(source.location).name for source in found.sources] == ["g.safetensors.index.json"]
    assert [note.kind for note in found.notes] == ["two-splits"]
    write(tmp_path / "h.safetensors.index.json", {"w1": "h-2-of-2.safetensors"})
    assert len(list(index.FINDER.find([str(tmp_path / f"{name}.safetensors.index.json") for name in "gh"]))) == 2


def test_an_index_with_a_missing_file_is_no_second_split(tmp_path: Path) -> None:
    """What is not complete is not left out quietly."""
    save(tmp_path, *SPLIT)
    write(tmp_path / "g.safetensors.index.json", {"w0": SPLIT[0], "w1": SPLIT[1]})
    write(tmp_path / "h.safetensors.index.json", {"w0": "h-1-of-2.safetensors", "w1": "h-2-of-2.safetensors"})
    with pytest.raises(InputError, match="which is not there"):
        stats([tmp_path / "g.safetensors.index.json", tmp_path / "h.safetensors.index.json"])


def test_the_index_of_a_variant(tmp_path: Path) -> None:
    """An index may name a variant before its last ending; beside the plain one of the same tensors it is another split."""
    for variant in ("", "fp16"):
        shard = f"m{variant and '.' + variant}-00001-of-00001.safetensors"
        save_file({"w": np.ones(1, np.float32)}, tmp_path / shard)
        name = f"m.safetensors.index{variant and '.' + variant}.json"
        (tmp_path / name).write_text(json.dumps({"weight_map": {"w": shard}}))
    plain, variant = sorted(map(str, tmp_path.glob("*.json")), key=len)
    ((source, _, notes),) = index.FINDER.find([variant, plain])
    assert (source.location, [note.kind for note in notes]) == (plain, ["two-splits"])
    ((source, *_),) = index.FINDER.find([variant])
    assert [Path(file).name for file in source.files] == ["m.fp16-00001-of-00001.safetensors"]
    assert (
        index.FINDER.base_of(variant)
        == index.FINDER.base_of(str(tmp_path / "m.fp16.safetensors"))
        == str(tmp_path / "m.fp16")
    )
