"""A copy keeps everything but the elements that change."""

import ctypes
import glob
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from support.tensors import gradients, read_all, rewritten

from gradclip_cli import apply
from gradclip_cli.errors import OutputError
from unit.formats.hdf5.made import PACKED, numbers


def test_a_dataset_that_was_never_written(path: Path, tmp_path: Path) -> None:
    """A dataset without storage reads as its fill value, and can be written in a copy."""
    with h5py.File(path, "w") as file:
        file.create_dataset("w", (3,), "f4", fillvalue=1.5)
    assert read_all(path)["w"][1] == np.array([1.5] * 3, np.float32).tobytes()
    rewritten(path, tmp_path / "b.h5", {"w": np.array([1, 2, 3], np.float32).tobytes()})
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["w"][:].tolist() == [1, 2, 3]


def test_a_user_block_is_skipped_and_kept(path: Path, tmp_path: Path) -> None:
    """Bytes before the file proper do not shift the elements, and are copied."""
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["w"], file["v"] = numbers(), numbers("f8")
    path.write_bytes(b"USER" * 256 + path.read_bytes()[1024:])
    assert read_all(path)["w"][1] == numbers().tobytes()
    rewritten(path, tmp_path / "b.h5", {"w": bytes(320)})
    assert (tmp_path / "b.h5").read_bytes()[:1024] == b"USER" * 256
    with h5py.File(tmp_path / "b.h5") as file:
        assert not file["w"][:].any()
        np.testing.assert_array_equal(file["v"][:], numbers("f8"))


def test_an_unchanged_copy_is_equal(sample: Path, tmp_path: Path) -> None:
    """A copy in which nothing changes has the same bytes."""
    rewritten(sample, tmp_path / "b.h5", {})
    assert (tmp_path / "b.h5").read_bytes() == sample.read_bytes()


@pytest.mark.parametrize("name", [f"{storage}/kernel" for storage in PACKED])
def test_only_the_changed_elements_differ(sample: Path, tmp_path: Path, name: str) -> None:
    """A changed dataset keeps its storage, and every other one its elements."""
    rewritten(sample, tmp_path / "b.h5", {name: (numbers() * 2).tobytes()})
    with h5py.File(sample) as old, h5py.File(tmp_path / "b.h5") as new:
        for other in PACKED:
            a, b = old[f"{other}/kernel"], new[f"{other}/kernel"]
            np.testing.assert_array_equal(b[:], numbers() * (2 if name == b.name[1:] else 1))
            assert (a.chunks, a.compression, a.shuffle, a.fletcher32, a.maxshape) == (
                b.chunks, b.compression, b.shuffle, b.fletcher32, b.maxshape,
            )  # fmt: skip


def test_everything_else_is_kept(sample: Path, tmp_path: Path) -> None:
    """Attributes, empty groups, links, texts, integers and datasets without a space stay as they were."""
    changed = {f"{storage}/kernel": bytes(320) for storage in PACKED}
    rewritten(sample, tmp_path / "b.h5", changed)
    with h5py.File(tmp_path / "b.h5") as file:
        assert file.attrs["backend"] == "jax"
        assert file["chunked/kernel"].attrs["unit"].tolist() == [1.5, 2.5]
        assert (len(file["nothing"]), file["words"][()], file["scalar"][()]) == (0, b"hello", 2.5)
        assert file["vector"].shape is None
        assert file["steps"][:].tolist() == list(range(5))
        assert [file.get(name, getlink=True).path for name in ("soft", "broken")] == ["/gzip/kernel", "/not/there"]
        assert file["zz/hard"] == file["chunked/kernel"]
        assert not file["zz/hard"][:].any()


def test_a_lossy_filter_is_not_written_through(tmp_path: Path) -> None:
    """Scale-offset would round new elements to the step of the old ones: refused, and nothing is written."""
    path, out = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=np.arange(800, dtype="f4").reshape(20, 40), chunks=(5, 40), scaleoffset=1)
    with pytest.raises(OutputError, match="scale-offset"):
        apply(path, out, strategy="clip-by-global-norm", threshold=1.0)
    assert not out.exists()
    apply(path, tmp_path / "out.npz", strategy="clip-by-global-norm", threshold=1.0)
    assert np.linalg.norm(np.load(tmp_path / "out.npz")["w"]) == pytest.approx(1.0, rel=1e-6)


def bundled_library() -> ctypes.CDLL | None:
    """The HDF5 that h5py brought along, or None where it uses the system's."""
    found = glob.glob(str(Path(h5py.__file__).parents[1] / "h5py.libs" / "libhdf5-*.so*"))
    return ctypes.CDLL(found[0]) if found else None


@pytest.mark.skipif(bundled_library() is None, reason="h5py cannot ask for this by itself")
def test_edges_that_are_not_packed(path: Path, tmp_path: Path) -> None:
    """A file may leave chunks at the edges as they are; they are read, and written, as that file has it."""
    library, plan = bundled_library(), h5p.create(h5p.DATASET_CREATE)
    assert library is not None
    plan.set_chunk((8, 8))
    plan.set_deflate(4)
    assert library.H5Pset_chunk_opts(ctypes.c_int64(plan.id), ctypes.c_uint(2)) == 0
    values = gradients(37 * 23).reshape(37, 23)
    with h5py.File(path, "w", libver="latest") as file:
        dataset = h5d.create(file.id, b"w", h5t.IEEE_F32LE, h5s.create_simple((37, 23)), plan)
        dataset.write(h5s.ALL, h5s.ALL, values)
        assert dataset.get_chunk_info_by_coord((32, 16)).size == 256
    assert read_all(path)["w"][1] == values.tobytes()
    out = tmp_path / "out.h5"
    rewritten(path, out, {"w": (values * 2).tobytes()})
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["w"][()], values * 2)


@pytest.mark.parametrize("packed", [{}, {"compression": "gzip"}, {"compression": "lzf"}], ids=str)
def test_growing_along_an_inner_axis(packed: dict[str, Any], path: Path, tmp_path: Path) -> None:
    """HDF5 lists the chunks of such a dataset at wrong places: its elements are read, and written, where they are."""
    values = gradients(8 * 310).reshape(8, 310)
    values[:, 155:] = 0
    with h5py.File(path, "w", libver="latest") as file:
        dataset = file.create_dataset("w", (8, 310), np.float32, chunks=(4, 31), maxshape=(8, None), **packed)
        dataset[:, :155] = values[:, :155]
    assert read_all(path)["w"][1] == values.tobytes()
    out = tmp_path / "out.h5"
    rewritten(path, out, {"w": (values * 2).tobytes()})
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["w"][()], values * 2)
