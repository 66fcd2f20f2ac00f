"""Shards of Keras are one dump, by their index, or without one by their numbers and names."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gradclip_cli import stats
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts.keras import KerasIndex
from gradclip_cli.inputs.layouts.numbered import NUMBERED


def write(folder: Path, number: int, *names: str) -> Path:
    """Write a shard of variables of three elements of 1, and of an empty group, as Keras does."""
    folder.mkdir(exist_ok=True)
    path = folder / f"model_{number:05d}.weights.h5"
    with h5py.File(path, "w") as file:
        for name in names:
            file[f"layers/{name}"] = np.ones(3, np.float32)
        file.create_group("optimizer/vars")
    return path


def index(folder: Path, groups: dict[str, Any]) -> Path:
    """Write an index."""
    path = folder / "model.weights.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": groups}))
    return path


A, B = "model_00000.weights.h5", "model_00001.weights.h5"


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Two shards, of which each holds one variable of the layer `b`."""
    return [write(tmp_path, 0, "a/vars/0", "b/vars/0"), write(tmp_path, 1, "b/vars/1")]


def test_an_index_names_groups(shards: list[Path], tmp_path: Path) -> None:
    """A group may lie in several shards; its norm is that of three variables of norm 3**0.5."""
    path = index(tmp_path, {"/layers/a/vars": A, "/layers/b/vars": [A, B]})
    for given in (path, tmp_path, shards[0], shards[1]):
        found = stats(given)
        assert [(dump.input, dump.norm) for dump in found.dumps] == [(str(path), 3.0)]


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (
            {"/layers/a/vars": A, "/layers/b/vars": [A], "/layers/c/vars": B},
            "is not where the index of the shards names it",
        ),
        ({"/layers/a/vars": A}, "is not where the index of the shards names it"),
        ({"/layers/a/vars": [A, B], "/layers/b/vars": [A, B]}, f"is not in {B}, as the index says"),
        ({"/layers/a/vars": A, "/layers/b/vars": [A, B], "/layers/c/vars": A}, f"is not in {A}, as the index says"),
        ({"/layers/a/vars": 1}, "names no files"),
        ({"/layers/a/vars": []}, "names no files"),
        ({"/layers/a/vars": ["../x"]}, "not a plain name"),
        ({"/layers/a/vars": "model_00009.weights.h5"}, "which is not there"),
        ({}, "names no files"),
    ],
)
@pytest.mark.usefixtures("shards")
def test_an_index_that_is_wrong(tmp_path: Path, groups: dict[str, Any], reason: str) -> None:
    """What the index says is held against the shards."""
    with pytest.raises(InputError, match=reason):
        stats(index(tmp_path, groups))


def test_without_an_index_numbers_tell(shards: list[Path], tmp_path: Path) -> None:
    """Shards whose names differ in their number, and which share no variable, are one dump, whichever is given."""
    for given in ([tmp_path], [shards[1]], shards):
        (source,) = find_dumps(list(map(str, given))).sources
        assert (source.files, source.layout) == (tuple(map(str, shards)), NUMBERED)
    assert stats(shards[0]).dumps[0].norm == 3.0


def test_a_number_that_is_missing_is_a_missing_shard(tmp_path: Path) -> None:
    """Shards are numbered from 0 on."""
    write(tmp_path, 0, "a/vars/0")
    write(tmp_path, 2, "c/vars/0")
    with pytest.raises(InputError, match="no such file") as caught:
        stats(tmp_path)
    assert caught.value.path == str(tmp_path / B)


def test_files_with_the_same_variables_are_steps(tmp_path: Path) -> None:
    """Weights of epochs are numbered as well, and are a series."""
    for number in (1, 2, 3):
        write(tmp_path, number, "a/vars/0")
    assert [dump.step for dump in stats(tmp_path).dumps] == [1, 2, 3]


def test_a_number_alone_is_a_file(tmp_path: Path) -> None:
    """One file is no set, whatever its number."""
    assert [source.layout.single for source in find_dumps([str(write(tmp_path, 5, "a/vars/0"))]).sources] == [True]


def test_what_the_index_does_not_name_is_left_out(shards: list[Path], tmp_path: Path) -> None:
    """A shard of an earlier, larger dump and a whole file are no part of it."""
    write(tmp_path, 2, "a/vars/0")
    path = index(tmp_path, {"/layers/a/vars": A, "/layers/b/vars": [A, B]})
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/a/vars/0"] = np.ones(3, np.float32)
    found = find_dumps([str(tmp_path)])
    (source,) = found.sources
    assert isinstance(source.layout, KerasIndex)
    assert source.files == tuple(map(str, shards))
    assert [note.kind for note in found.notes] == ["not-in-index"]
    assert "model.weights.h5, model_00002.weights.h5" in found.notes[0].text
    assert stats(path).dumps[0].norm == 3.0
