"""The ranks of a captured run are one dump a step, whichever of their files is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import gradclip_cli
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.listing import siblings

WORLD = 3


def captured(folder: Path, steps: int = 2, **facts: str) -> Path:
    """Write two rows of a matrix of ones from each rank, and one tensor that the first rank has."""
    folder.mkdir()
    for step in range(steps):
        for rank in range(WORLD):
            tensors = {"w": np.ones((2, 4), np.float32)} | ({"norm": np.ones(1, np.float32)} if rank == 0 else {})
            own = {
                "gradclip": "capture/1",
                "layout": "shards",
                "world": str(WORLD),
                "rank": str(rank),
                "step": str(step),
            }
            save_file(tensors, folder / f"step_{step:08}.rank_{rank:05}.safetensors", own | facts)
    return folder


def test_all_ranks_are_one_dump(tmp_path: Path) -> None:
    """Without --shards each step is one dump, whose norm is that of all pieces: 3 · 2 · 4 + 1 ones."""
    run = captured(tmp_path / "run")
    assert [note.kind for note in gradclip_cli.stats(run).notes] == []  # ones on all ranks are no copies
    for shards in (False, True):
        assert [(dump.step, dump.norm) for dump in gradclip_cli.stats(run, shards=shards).dumps] == [(0, 5.0), (1, 5.0)]


def test_any_file_stands_for_its_step(tmp_path: Path) -> None:
    """One rank's file brings in those of the others of its step."""
    run = captured(tmp_path / "run")
    (source,) = find_dumps([str(run / "step_00000001.rank_00002.safetensors")]).sources
    assert (source.step, len(source.files)) == (1, WORLD)


@pytest.mark.parametrize("shards", [False, True])
def test_a_missing_rank_is_named(shards: bool, tmp_path: Path) -> None:
    """The norm of two ranks is not that of three: the dump is refused, and others are read if that is wanted."""
    run = captured(tmp_path / "run")
    (run / "step_00000001.rank_00001.safetensors").unlink()
    with pytest.raises(
        (InputError, gradclip_cli.errors.UsageError), match=r"2 of 3 ranks; missing: 1|step 1 has 2 files"
    ):
        gradclip_cli.stats(run, shards=shards)
    if not shards:
        assert [dump.step for dump in gradclip_cli.stats(run, keep_going=True).dumps] == [0]


@pytest.mark.parametrize(
    "facts", [{"gradclip": "other"}, {"layout": "whole"}, {"world": "many"}, {"world": "1"}, {"world": ""}]
)
def test_what_does_not_say_so_is_not_put_together(facts: dict[str, Any], tmp_path: Path) -> None:
    """A name alone makes no ranks: files of one step with the same tensors are asked about."""
    with pytest.raises(gradclip_cli.errors.UsageError, match="--shards"):
        gradclip_cli.stats(captured(tmp_path / "run", **facts))


def test_apply_writes_each_rank(tmp_path: Path) -> None:
    """Clipping to half the norm of all ranks halves what each of them holds; the outputs are captured ranks again."""
    run = captured(tmp_path / "run", steps=1)
    gradclip_cli.apply(run, tmp_path / "out", strategy="clip-by-global-norm", threshold=2.5)
    assert len(list((tmp_path / "out").iterdir())) == WORLD
    assert [dump.norm for dump in gradclip_cli.stats(tmp_path / "out").dumps] == [2.5]


def test_a_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of steps of many ranks are found without going through their folder for each of them."""
    listings, run = list[str](), captured(tmp_path / "run", steps=5)

    def counted(path: str) -> list[str]:
        listings.append(path)
        return siblings(path)

    monkeypatch.setattr("gradclip_cli.inputs.layouts.captured.siblings", counted)
    assert len(find_dumps([str(run)]).sources) == 5
    assert len(listings) == 1


def write(folder: Path, step: int, ranks: range, world: int) -> None:
    """Write a row of ones from some ranks of so many."""
    folder.mkdir(exist_ok=True)
    for rank in ranks:
        own = {"gradclip": "capture/1", "layout": "shards", "world": str(world), "rank": str(rank), "step": str(step)}
        save_file({"w": np.ones((1, 4), np.float32)}, folder / f"step_{step:08}.rank_{rank:05}.safetensors", own)


def test_a_run_may_go_on_with_other_ranks(tmp_path: Path) -> None:
    """Each step is held against the number of ranks that captured it: 4, then 9; one of nine that is missing is told."""
    write(tmp_path, 1, range(4), 4)
    write(tmp_path, 2, range(9), 9)
    assert [dump.norm for dump in gradclip_cli.stats(tmp_path).dumps] == [4.0, 6.0]
    (tmp_path / "step_00000002.rank_00005.safetensors").unlink()
    with pytest.raises(InputError, match="8 of 9 ranks; missing: 5"):
        gradclip_cli.stats(tmp_path)


def test_as_many_files_of_more_ranks_are_not_all(tmp_path: Path) -> None:
    """Four files of nine ranks beside a step of four are not taken for a whole dump."""
    write(tmp_path, 1, range(4), 4)
    write(tmp_path, 2, range(4), 9)
    with pytest.raises(InputError, match="captured by 9 ranks, but other files by 4"):
        gradclip_cli.stats(tmp_path)
