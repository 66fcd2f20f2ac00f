"""Many datasets are written in a message, in the order in which they come, and errors name the right one."""

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.matrices import heavy

import gradclip_cli
from gradclip_cli.errors import OutputError
from gradclip_cli.formats.hdf5.chunks import Band
from gradclip_cli.formats.hdf5.editor import Editor
from unit.formats.hdf5.made import MANY, many

NAMES = [f"p{k:04}" for k in range(2500)]


@pytest.mark.parametrize("storage", MANY)
@pytest.mark.parametrize("jobs", [1, 3])
def test_small_datasets_keep_their_storage(storage: str, jobs: int, path: Path, tmp_path: Path) -> None:
    """Each has its new elements, packed as before; the bytes are the same for any number of threads."""
    values = many(path, NAMES[:60], **MANY[storage])
    norm = float(np.linalg.norm(values.astype(np.float64)))
    outs = [tmp_path / "one.h5", tmp_path / "other.h5"]
    for out, count in zip(outs, (1, jobs), strict=True):
        gradclip_cli.apply(path, out, strategy="clip-by-global-norm", threshold=norm / 2, jobs=count)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    with h5py.File(path) as old, h5py.File(outs[0]) as new:
        for name, one in zip(NAMES, values, strict=False):
            np.testing.assert_allclose(new[name][()], one / 2, rtol=1e-6)
            assert (old[name].compression, old[name].chunks) == (new[name].compression, new[name].chunks)
            assert old[name].id.get_create_plist().get_nfilters() == new[name].id.get_create_plist().get_nfilters()


@pytest.mark.parametrize(("storage", "most"), [("single", 12), pytest.param("several", 12, marks=heavy), ("lzf", 18)])
def test_a_thousand_datasets_take_few_messages(
    storage: str, most: int, path: Path, tmp_path: Path, asked: Counter[str]
) -> None:
    """To clip 2,500 datasets takes one walk, and so few other requests that they cost nothing."""
    many(path, NAMES, **MANY[storage])
    gradclip_cli.apply(path, tmp_path / "out.h5", strategy="clip-by-global-norm", threshold=1)
    assert asked.pop("walk") == 1
    assert asked["write"] == 3
    assert asked.total() <= most


@pytest.fixture
def editor(path: Path) -> Any:
    """An editor of a file of three datasets."""
    many(path, NAMES[:3], **MANY["single"])
    with open(path, "r+b") as file:
        opened = Editor(file.fileno(), path.stat().st_size, "in.h5", str(path))
        yield opened
        opened.close()


def test_an_error_names_its_dataset(editor: Editor, path: Path) -> None:
    """What HDF5 refuses to write among others is an error of the output that names path and dataset, at the latest at the end."""
    for name, origin in (("p0000", (0, 0)), ("p0001", (1, 0)), ("p0002", (0, 0))):
        editor.write(name, origin, b"packed")
        editor.complete(name)
    with pytest.raises(OutputError, match="HDF5 cannot write it") as caught:
        editor.finish()
    assert (caught.value.path, caught.value.tensor) == (str(path), "p0001")


def test_a_large_dataset_takes_several_messages(editor: Editor, path: Path, asked: Counter[str]) -> None:
    """What is held is sent when it is 4 MiB, or in 4,096 places, in the middle of a dataset, too."""
    band, ones = Band(0, 24, (0, 0), (6, 4)), np.ones(24, np.float32).tobytes()
    for _ in range(9):
        editor.write("p0000", (0, 0), bytes(1 << 20))
    assert asked["write"] == 2
    editor.complete("p0000")
    for _ in range(4096 + 100):
        editor.write("p0001", band, ones)
    assert asked["write"] == 3
    editor.complete("p0001")
    editor.finish()
    assert asked["write"] == 4
    with h5py.File(path) as file:
        assert file["p0000"].id.get_chunk_info(0).size == 1 << 20
        assert file["p0001"][()].tolist() == np.ones((6, 4)).tolist()
