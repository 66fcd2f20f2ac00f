"""HDF5 files go to and come from h5py; a copy keeps everything but the elements that change."""

import ctypes
import glob
import os
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from numpy.typing import NDArray
from support.tensors import converted, gradients, raw_of, read_all, rewritten

from gradclip_cli import apply
from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.hdf5.chunks import bands
from gradclip_cli.formats.hdf5.contents import Walk, dtype_of
from gradclip_cli.formats.opening import opened
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, from_numpy
from gradclip_cli.tensors import TensorSpec

PACKED: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (3, 5)},
    "gzip": {"chunks": (4, 4), "compression": "gzip", "shuffle": True},
    "lzf": {"compression": "lzf", "fletcher32": True},
    "resizable": {"chunks": (4, 8), "maxshape": (None, 20)},
    "widening": {"chunks": (3, 5), "maxshape": (30, None), "compression": "gzip"},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "a.h5"


def numbers(code: str = "f4") -> NDArray[Any]:
    """An array of 10 × 8 numbers."""
    return gradients(80, "float64").reshape(10, 8).astype(code)


@pytest.fixture
def sample(path: Path) -> Path:
    """A file with layers, attributes, links, an empty group, texts and all kinds of storage."""
    with h5py.File(path, "w") as file:
        file.attrs["backend"] = "jax"
        for name, storage in PACKED.items():
            file.create_dataset(f"{name}/kernel", data=numbers(), **storage)
        file["chunked/kernel"].attrs["unit"] = [1.5, 2.5]
        file["chunked"].attrs["name"] = "my_layer"
        file.create_group("nothing")
        file["scalar"] = np.float32(2.5)
        file["vector"] = h5py.Empty("f4")
        file["words"] = "hello"
        file["steps"] = np.arange(5)
        file["soft"] = h5py.SoftLink("/gzip/kernel")
        file["broken"] = h5py.SoftLink("/not/there")
        file["zz/hard"] = file["chunked/kernel"]
    return path


@pytest.mark.parametrize("storage", PACKED)
@pytest.mark.parametrize("code", ["<f4", ">f4", "<f8", ">f8", "<f2", "<i4", "?", "<c8"])
def test_what_h5py_wrote_is_read(path: Path, storage: str, code: str) -> None:
    """Datasets of every type and storage are read in C order as they lie in the file, byte order included."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a/w", data=numbers(code), **PACKED[storage])
    spec, data = read_all(path)["a/w"]
    assert (spec.dtype, spec.shape, data) == (from_numpy(np.dtype(code)), (10, 8), numbers(code).tobytes())
    assert (spec.offset is None) == (storage != "contiguous")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (7,), (1, 2, 1, 3)])
@pytest.mark.parametrize("compact", [False, True])
def test_shapes_and_compact_storage(path: Path, shape: tuple[int, ...], compact: bool) -> None:
    """Scalars, empty datasets, and those that lie in the header are read."""
    array = np.arange(prod(shape), dtype="f4").reshape(shape)
    with h5py.File(path, "w") as file:
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_layout(h5d.COMPACT if compact else h5d.CONTIGUOUS)
        space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
        dataset = h5py.Dataset(h5d.create(file.id, b"w", h5t.IEEE_F32LE, space, plan))
        if array.size:
            dataset[...] = array
    spec, data = read_all(path)["w"]
    assert (spec.shape, data) == (shape, array.tobytes())


def test_a_dataset_that_was_never_written(path: Path, tmp_path: Path) -> None:
    """A dataset without storage reads as its fill value, and can be written in a copy."""
    with h5py.File(path, "w") as file:
        file.create_dataset("w", (3,), "f4", fillvalue=1.5)
    assert read_all(path)["w"][1] == np.float32([1.5] * 3).tobytes()
    rewritten(path, tmp_path / "b.h5", {"w": np.float32([1, 2, 3]).tobytes()})
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


def test_hard_links_are_one_tensor(sample: Path) -> None:
    """A dataset that has two names is one tensor, links are none, and what is no number is named apart."""
    assert sorted(read_all(sample)) == sorted([*(f"{storage}/kernel" for storage in PACKED), "scalar", "steps"])
    with opened(str(sample), Options()) as (_, reader):
        assert sorted(reader.others) == ["vector", "words"]


def test_what_other_formats_lose_is_named(sample: Path) -> None:
    """Links, attributes and what is no number are what a conversion leaves out."""
    with opened(str(sample), Options()) as (_, reader):
        links, attributes, groups, others = reader.extras()
    assert all(name in links for name in ("soft", "broken", "zz/hard"))
    assert all(name in attributes for name in ("/", "chunked"))
    assert "words" in others
    assert "nothing" in groups


def test_the_label_of_a_layer(sample: Path) -> None:
    """The `name` attribute of the nearest group is a label, and nothing else has one."""
    found = read_all(sample)
    assert {name: spec.label for name, (spec, _) in found.items() if spec.label} == {"chunked/kernel": "my_layer"}


def test_hard_links_in_a_circle_end(path: Path) -> None:
    """A group that holds itself is walked once."""
    with h5py.File(path, "w") as file:
        file["a/w"] = numbers()
        file["a/again"] = file["a"]
        found = Walk(None).over(file.id)
    assert ([one.name for one in found.datasets], found.aliases) == (["a/w"], [("a/again", "a")])


def test_what_we_write_h5py_reads(path: Path) -> None:
    """A new file has groups for the `/` in names, and datasets in the machine's byte order."""
    arrays = {
        "a/b/w": numbers(),
        "a/c": numbers(">f8"),
        "s": np.array(1.5, "f2"),
        "e": np.zeros((2, 0)),
        "ü/層": np.arange(3),
        "m": np.array([True]),
    }
    native = {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    converted(
        "hdf5", path, [(TensorSpec(n, from_numpy(a.dtype), a.shape), native[n].tobytes()) for n, a in arrays.items()]
    )
    with h5py.File(path) as file:
        for name, array in native.items():
            assert (file[name].dtype, file[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(file[name][()], array)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """A new file holds no time stamps."""
    tensors = [(TensorSpec("a/w", dtypes.FLOAT32, (10, 8)), numbers().tobytes())]
    for name in ("a.h5", "b.h5"):
        converted("hdf5", tmp_path / name, tensors)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_bfloat16_is_marked_as_keras_marks_it(path: Path) -> None:
    """bfloat16 is written as two opaque bytes with a `dtype` attribute, and read back by it."""
    data = raw_of(gradients(6, "bfloat16")).tobytes()
    converted("hdf5", path, [(TensorSpec("w", dtypes.BFLOAT16, (6,)), data)])
    with h5py.File(path) as file:
        assert (file["w"].dtype, file["w"].attrs["dtype"], file["w"][:].tobytes()) == (np.dtype("V2"), "bfloat16", data)
    assert read_all(path)["w"][0].dtype == dtypes.BFLOAT16


def test_unmarked_opaque_bytes_need_the_users_word(path: Path) -> None:
    """Two bytes of no type are bfloat16 only if the user says so."""
    with h5py.File(path, "w") as file:
        file["w"] = gradients(6, "bfloat16").view("V2")
    with pytest.raises(InputError, match="--void-dtype bfloat16") as caught:
        read_all(path)
    assert caught.value.tensor == "w"
    assert read_all(path, Options(void_dtype="bfloat16"))["w"][1] == gradients(6, "bfloat16").tobytes()


def bfloat16_type() -> Any:
    """HDF5's own float with the layout of bfloat16."""
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (h5t.IEEE_F32LE, dtypes.FLOAT32),
        (h5t.IEEE_F64BE, from_numpy(np.dtype(">f8"))),
        (h5t.IEEE_F16LE, dtypes.FLOAT16),
        (bfloat16_type(), dtypes.BFLOAT16),
        (h5t.STD_I64BE, from_numpy(np.dtype(">i8"))),
        (h5t.STD_U8LE, DType("uint8", 1, "int")),
        (h5t.py_create(np.dtype("?"), logical=True), DType("bool", 1, "bool")),
        (h5t.py_create(np.dtype("<c16"), logical=True), DType("complex128", 16, "complex")),
        (h5t.py_create(np.dtype([("a", "f4"), ("b", "i4")])), DType("other", 8, "other")),
        (h5t.py_create(np.dtype("S5")), DType("other", 5, "other")),
    ],
)
def test_types(path: Path, kind: Any, expected: DType) -> None:
    """Each datatype of a file is what it says bit by bit; what is no plain number is `other`."""
    with h5py.File(path, "w") as file:
        dataset = h5d.create(file.id, b"w", kind, h5s.create_simple((2,)))
        assert dtype_of(dataset, None) == expected


@pytest.mark.skipif(not hasattr(h5t, "COMPLEX"), reason="HDF5 before 2.0 has no such type")
@pytest.mark.parametrize(("name", "code"), [("COMPLEX_IEEE_F32LE", "<c8"), ("COMPLEX_IEEE_F64BE", ">c16")])
def test_complex_numbers_of_their_own_class(name: str, code: str, path: Path) -> None:
    """Complex numbers are complex, whether HDF5 has a class for them or h5py a pair."""
    values = np.array([1 + 2j, 3 - 4j], code)
    with h5py.File(path, "w") as file:
        dataset = h5d.create(file.id, b"w", getattr(h5t, name), h5s.create_simple((2,)))
        dataset.write(h5s.ALL, h5s.ALL, values)
    [(spec, raw)] = read_all(path).values()
    assert (spec.dtype, raw) == (from_numpy(values.dtype), values.tobytes())


def test_an_unknown_float_is_refused(path: Path) -> None:
    """A float of an unusual layout is never taken for a usual one."""
    kind = h5t.IEEE_F32LE.copy()
    kind.set_ebias(126)
    with h5py.File(path, "w") as file:
        h5d.create(file.id, b"w", kind, h5s.create_simple((2,)))
    with pytest.raises(InputError, match="floats of 4 bytes"):
        read_all(path)


def external(file: h5py.File) -> None:
    """A dataset whose elements lie in another file."""
    file.create_dataset("w", (4,), "f4", external=[("elsewhere.bin", 0, 16)])


def virtual(file: h5py.File) -> None:
    """A dataset that is a view of another file's."""
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "w", (4,))
    file.create_virtual_dataset("w", layout)


def other_file(file: h5py.File) -> None:
    """A link to another file."""
    file["w"] = h5py.ExternalLink("elsewhere.h5", "/w")


def only_words(file: h5py.File) -> None:
    """No number at all."""
    file["w"] = "hello"


def huge(file: h5py.File) -> None:
    """A dataset of far more elements than the file holds."""
    file.create_dataset("w", (1 << 33,), "f4", chunks=(1 << 20,))


def huge_chunks(file: h5py.File) -> None:
    """A chunk far larger than its dataset."""
    file.create_dataset("w", (4,), "f4", chunks=(1 << 28,), maxshape=(None,))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (external, "in other files"),
        (virtual, "in other files"),
        (other_file, "link to another file"),
        (only_words, "no dataset of numbers"),
        (huge, "--allow-huge"),
        (huge_chunks, "has chunks of"),
    ],
)
def test_what_is_refused(path: Path, make: Any, reason: str) -> None:
    """Elements elsewhere, no numbers, and sizes that the file cannot have are refused in one line."""
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(InputError, match=reason) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("keep", [8, 100, 600, 2000])
def test_a_file_cut_short(path: Path, keep: int) -> None:
    """A file that lacks its end is an error of the input, in one line."""
    with h5py.File(path, "w") as file:
        file["w"] = numbers()
    os.truncate(path, keep)
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert str(caught.value).isprintable()


def test_a_damaged_chunk(path: Path) -> None:
    """A compressed chunk that cannot be unpacked is an error that names file and dataset."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("a/w", data=numbers(), chunks=(10, 8), compression="gzip")
        chunk = dataset.id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(data)
    with pytest.raises(InputError, match="HDF5 cannot read it") as caught:
        read_all(path)
    assert caught.value.tensor == "a/w"


@pytest.mark.parametrize(
    ("names", "dtype", "shape", "reason"),
    [
        (["w"], dtypes.FLOAT8_E4M3FN, (1,), "has no float8_e4m3fn"),
        (["w"], dtypes.FLOAT32, (1,) * 33, "33 dimensions"),
        (["a", "a/b"], dtypes.FLOAT32, (1,), "needs a group of this name"),
        (["a//b"], dtypes.FLOAT32, (1,), "no such name"),
        (["../b"], dtypes.FLOAT32, (1,), "no such name"),
        ([""], dtypes.FLOAT32, (1,), "no such name"),
        (["a\0b"], dtypes.FLOAT32, (1,), "no such name"),
    ],
)
def test_what_hdf5_cannot_hold(path: Path, names: list[str], dtype: DType, shape: tuple[int, ...], reason: str) -> None:
    """float8, too many dimensions, and names that are no paths are errors of the output."""
    with pytest.raises(OutputError, match=reason) as caught:
        converted("hdf5", path, [(TensorSpec(name, dtype, shape), bytes(dtype.itemsize)) for name in names])
    assert caught.value.tensor == names[0]


@pytest.mark.parametrize("name", [".", "a.b", "...", "a b", "x" * 2000])
def test_odd_names(path: Path, name: str) -> None:
    """A name of dots is refused where HDF5 takes it for a folder; any other is written."""
    tensors = [(TensorSpec(name, dtypes.FLOAT32, (1,)), bytes(4))]
    if name == ".":
        with pytest.raises(OutputError, match="no such name"):
            converted("hdf5", path, tensors)
        return
    converted("hdf5", path, tensors)
    with h5py.File(path) as file:
        assert list(file) == [name]


SHAPES: list[tuple[int, ...]] = [(), (1,), (100,), (10, 8), (3, 4, 5), (2, 1, 7, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("most", [1, 7, 30, 1000])
@pytest.mark.parametrize("unit", [1, 2, 4])
def test_bands_cover_an_array_in_order(shape: tuple[int, ...], most: int, unit: int) -> None:
    """Bands follow each other in C order; each is the box that it says, and holds as many elements as memory allows."""
    index = np.arange(prod(shape)).reshape(shape)
    found = list(bands(shape, tuple(min(unit, size) for size in shape), most))
    assert found[0].start == 0
    assert found[-1].stop == index.size
    assert all(a.stop == b.start for a, b in pairwise(found))
    for band in found:
        box = index[tuple(slice(o, o + c) for o, c in zip(band.origin, band.count, strict=True))]
        assert box.ravel().tolist() == list(range(band.start, band.stop))
        assert box.size <= max(most, 1)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5)])
def test_an_empty_array_has_no_bands(shape: tuple[int, ...]) -> None:
    """Where there are no elements there is nothing to read."""
    assert list(bands(shape, (1,) * len(shape), 10)) == []


def test_bands_are_whole_rows_of_chunks() -> None:
    """Where a row of chunks fits, a band begins at the edge of a chunk, so that none is read twice."""
    assert [band.origin for band in bands((10, 8), (3, 5), 60)] == [(0, 0), (6, 0)]


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


def test_what_is_held_at_once(path: Path) -> None:
    """A chunk is unpacked in one piece, which a tensor says beforehand."""
    with h5py.File(path, "w") as file:
        file.create_dataset("chunked", data=gradients(600).reshape(20, 30), chunks=(5, 30))
        file["plain"] = gradients(600)
    assert {name: spec.held for name, (spec, _) in read_all(path).items()} == {"chunked": 600, "plain": 0}


LABELS = {
    "empty": h5py.Empty("S10"),
    "none": np.array([], "S5"),
    "several": np.array([b"a", b"b"]),
    "number": 3,
    "long": "x" * 1001,
}


@pytest.mark.parametrize("value", [*LABELS.values()], ids=[*LABELS])
def test_attributes_that_are_no_labels(value: Any, path: Path) -> None:
    """An attribute that is called `name` or `dtype`, and holds no short text, says nothing of a layer or of elements."""
    with h5py.File(path, "w") as file:
        file["layer/w"] = np.ones(3, np.float32)
        file["layer"].attrs["name"] = file["layer/w"].attrs["dtype"] = value
    [(spec, _)] = read_all(path).values()
    assert (spec.name, spec.label) == ("layer/w", None)


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
