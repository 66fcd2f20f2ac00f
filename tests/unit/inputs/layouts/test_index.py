"""An index is read once, when the dump is found, and has to be the same when the dump is written."""

import json
import os
from pathlib import Path

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts import index
from gradclip_cli.inputs.source import DumpSource


def write(path: Path, weight_map: object) -> str:
    """Write an index."""
    path.write_text(json.dumps({"weight_map": weight_map}))
    return str(path)


@pytest.fixture
def source(tmp_path: Path) -> DumpSource:
    """An index of two shards, which need not be there to be named."""
    (tmp_path / "step_5").mkdir()
    return index.read(write(tmp_path / "step_5" / "g.safetensors.index.json", {"w": "b.st", "v": "a.st", "u": "b.st"}))


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
        assert index.read(path).step == step


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
    ((found, positions),) = index.FINDER.find(paths)
    assert (found, sorted(positions), positions[0]) == (source, [0, 2, 3, 4], 2)
