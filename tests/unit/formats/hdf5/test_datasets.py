"""Datasets of which not every chunk was written have their filling elsewhere."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import gradclip_cli
from gradclip_cli.formats.hdf5.datasets import filling


@pytest.mark.parametrize(("dtype", "fill"), [("<f4", 2.5), (">f8", -1.0), ("<f2", 0.0), ("V2", None)], ids=str)
def test_what_was_never_written_is_the_filling(dtype: str, fill: float | None, tmp_path: Path) -> None:
    """The element that stands for unwritten ones is the dataset's own, as its bytes are stored."""
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("w", (8, 8), dtype, chunks=(2, 2), fillvalue=fill, compression="gzip")
        wanted = np.zeros((), dtype) if fill is None else np.full((), fill, dtype)
        assert filling(dataset.id) == wanted.tobytes()


def test_partly_written_datasets_are_read(tmp_path: Path) -> None:
    """A dataset of which only some chunks were written has its filling in the others."""
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        storages: dict[str, dict[str, Any]] = {
            "a": {},
            "b": {"compression": "lzf"},
            "c": {"compression": "gzip", "fletcher32": True},
        }
        for name, options in storages.items():
            dataset = file.create_dataset(name, (7, 5), np.float32, chunks=(2, 2), fillvalue=2, **options)
            dataset[:3, :3] = 5
        wanted = float(np.linalg.norm(file["a"][()].astype(np.float64)))
    assert [param.summary.mean for param in gradclip_cli.stats(path).params] == pytest.approx([wanted] * 3, rel=1e-12)
    gradclip_cli.apply(path, tmp_path / "out.h5", strategy="clip-by-norm", threshold=wanted / 2)
    with h5py.File(path) as file, h5py.File(tmp_path / "out.h5") as out:
        for name in "abc":
            np.testing.assert_allclose(out[name][()], file[name][()] / 2, rtol=1e-7)
