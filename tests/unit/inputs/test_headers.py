"""Headers are read where dumps are found only if names leave it open what files are."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gradclip_cli.inputs.headers import disjoint_names, header_of, same_names


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Files with the tensors a, b and a."""
    paths = [str(tmp_path / f"{k}.safetensors") for k in range(3)]
    for path, name in zip(paths, "aba", strict=True):
        save_file({name: np.ones(2, np.float32)}, path, {"of": name})
    return paths


def test_a_header_has_names_and_metadata(files: list[str]) -> None:
    """The names of tensors, and what the file says of itself."""
    assert header_of(files[1]) == (["b"], {"of": "b"})


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    """A damaged file, one that is missing, and one with too many tensors; a pipe is not even opened."""
    (tmp_path / "a.npz").write_bytes(b"PK")
    os.mkfifo(tmp_path / "pipe")
    save_file({"v": np.ones(1), "w": np.ones(1)}, tmp_path / "two.safetensors")
    for name in ("a.npz", "pipe", "none.npz"):
        assert header_of(str(tmp_path / name)) is None
    assert header_of(str(tmp_path / "two.safetensors"), most=1) is None


def test_names_are_disjoint_or_the_same(files: list[str]) -> None:
    """Of the same names are the sets {a, b} and {b, a}, disjoint are only the first two."""
    assert disjoint_names(files[:2])
    assert not disjoint_names(files)
    assert same_names([files[:2], files[1:]])
    assert not same_names([files[:1], files[1:2]])


def test_what_cannot_be_read_is_neither(files: list[str], tmp_path: Path) -> None:
    """Where a file cannot be read, nothing is concluded from it."""
    broken = str(tmp_path / "none.npz")
    assert not disjoint_names([*files[:2], broken])
    assert not same_names([[broken], [broken]])
