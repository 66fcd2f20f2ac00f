"""What users type stands for dumps, each found once, in an order that does not depend on the file system."""

import os
from pathlib import Path

import pytest

from gradclip_cli.commands.apply.outputs import into_folder
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import combined, find_dumps, find_one, find_side
from gradclip_cli.inputs.layouts.ranks import are_in
from gradclip_cli.inputs.layouts.single import single


def test_no_input_is_wrong_usage() -> None:
    """Without an input there is nothing to do."""
    with pytest.raises(UsageError, match="at least one dump"):
        find_dumps([])


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    """An input that is not there is an error of the input, with its path."""
    with pytest.raises(InputError, match="does not exist") as caught:
        find_dumps([str(tmp_path), str(tmp_path / "none.npz")])
    assert caught.value.path == str(tmp_path / "none.npz")


def test_directories_are_expanded(tmp_path: Path) -> None:
    """The dumps in a directory stand for it, of every format."""
    for name in ("a.npz", "b.h5", "c.safetensors", "d.txt"):
        (tmp_path / name).touch()
    assert [os.path.basename(source.location) for source in find_dumps([str(tmp_path)]).sources] == [
        "a.npz",
        "b.h5",
        "c.safetensors",
    ]


@pytest.mark.parametrize("given", [("-", "-"), ("a.npz", "-", "/dev/stdin")])
def test_standard_input_comes_once(given: tuple[str, ...]) -> None:
    """Standard input twice among the inputs, under whatever names, is wrong usage."""
    with pytest.raises(UsageError, match="only once"):
        find_dumps(given)


def test_standard_input_among_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is an input like others, whatever lies in the working directory."""
    (tmp_path / "-").mkdir()
    (tmp_path / "a.npz").touch()
    monkeypatch.chdir(tmp_path)
    assert [source.location for source in find_dumps(["a.npz", "-"]).sources] == ["a.npz", "-"]
    assert find_dumps(["/dev/stdin"]).sources == (single("-"),)
    assert not into_folder(["-"], (single("-"),))


def test_files_stay_as_given(tmp_path: Path) -> None:
    """Paths that are no directories keep their order, whatever their names end in."""
    assert combined(["b.bin", "a.npz"]).sources == (single("b.bin"), single("a.npz"))


def test_a_directory_is_its_dumps_in_natural_order(tmp_path: Path) -> None:
    """Of a directory, the files with a dump's suffix in any case are taken, hidden ones and others are not."""
    for name in ("step10.npz", "step9.npz", "STEP2.NPZ", "notes.txt", ".hidden.npz", "x.safetensors"):
        (tmp_path / name).touch()
    first = tmp_path / "first.txt"
    first.touch()
    found = [Path(source.location).name for source in find_dumps([str(first), str(tmp_path)]).sources]
    assert found == ["first.txt", "STEP2.NPZ", "step9.npz", "step10.npz", "x.safetensors"]


def test_a_directory_without_dumps_is_an_error(tmp_path: Path) -> None:
    """A directory that holds no dump is refused, with the suffixes that are looked for."""
    with pytest.raises(InputError, match=r"no dump.*\.safetensors.*\.npz.*\.h5") as caught:
        find_dumps([str(tmp_path)])
    assert caught.value.path == str(tmp_path)


def test_a_directory_of_directories_names_those_with_dumps(tmp_path: Path) -> None:
    """Where dumps lie one directory deeper, the error says in which."""
    for name in ("run1", "run2", "logs"):
        (tmp_path / name).mkdir()
    for name in ("run1", "run2"):
        (tmp_path / name / "grads.npz").touch()
    with pytest.raises(InputError, match=r"no dump in this directory itself.*: run1, run2$") as caught:
        find_dumps([str(tmp_path)])
    assert caught.value.path == str(tmp_path)


def test_one_dump_of_ranks(tmp_path: Path) -> None:
    """With --shards a directory stands for the ranks of one step; a file, or the only dump of one, is taken as it is."""
    for name in ("run", "two", "alone"):
        (tmp_path / name).mkdir()
    for name in ("run/rank10", "run/rank9", "alone/g", "two/step1_rank0", "two/step1_rank1", "two/step2_rank0"):
        (tmp_path / f"{name}.npz").touch()
    (tmp_path / "two/step2_rank1.npz").touch()
    shards = Choices(shards=True)
    found = find_side(str(tmp_path / "run"), shards)
    assert [Path(path).name for path in found.sources[0].files] == ["rank9.npz", "rank10.npz"]
    assert (are_in(found.sources), found.notes) == (True, ())
    for path in (tmp_path / "alone", tmp_path / "alone/g.npz", tmp_path / "run/rank9.npz"):
        found = find_side(str(path), shards)
        assert not are_in(found.sources)
        assert [note.kind for note in found.notes] == ["no-ranks"]
        assert find_side(str(path), Choices()).notes == ()
    assert [source.step for source in find_side(str(tmp_path / "two"), shards).sources] == [1, 2]
    with pytest.raises(UsageError, match="two holds the ranks of 2 steps; give one step: its directory, or --files"):
        find_one(str(tmp_path / "two"), shards)
    assert are_in(find_side(str(tmp_path / "two"), Choices(("step2*",), shards=True)).sources)
    assert len(find_side(str(tmp_path / "run")).sources) == 2
    with pytest.raises(UsageError, match=r"run holds 2 dumps; give one dump, such as .*, or --shards for all ranks"):
        find_one(str(tmp_path / "run"))
