"""The same bits from any number of threads, pieces of any size, any order of the tensors, and any format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.matrices import crossed
from support.official import (
    BFLOAT16,
    FLOATS,
    Tensors,
    all_bits,
    beside,
    clip,
    load,
    save,
    save_deflated,
    save_hdf5,
    ulps,
)

import gradclip_cli
from gradclip_cli import apply
from gradclip_cli.formats import FORMATS
from gradclip_cli.strategies import STRATEGIES

THRESHOLDS = {strategy.name: 1.0 if strategy.takes_threshold else None for strategy in STRATEGIES}
Outcome = tuple[Any, ...]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Provide tensors of many blocks, of less than one, and many small ones, whose sizes differ by powers of ten."""
    rng = np.random.default_rng(13)

    def steep(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 2, shape)

    small = {f"small{k}.w": steep(1 + k % 7).astype(np.float32) for k in range(40)}
    return {
        "z.large": steep(200, 301).astype(np.float32),
        "m.wide": steep(20_011),
        **small,
        "a.half": steep(40, 8192).astype(np.float16),
        "b.brain": steep(12_345).astype(BFLOAT16),
        "c.wave": (steep(12_345) + 1j * steep(12_345)).astype(np.complex64),
        "a.one": steep(),
        "a.none": np.zeros((0,), np.float32),
    }


def outcome(source: Path, strategy: str, **options: object) -> Outcome:
    """Clip a dump; return the bits of the output and all figures, in one order."""
    out = source.with_name(f"out-{source.name}")
    dump = clip(source, out, strategy=strategy, threshold=THRESHOLDS[strategy], overwrite=True, **options)
    params = sorted(dump.params, key=lambda param: param.name)
    return all_bits(load(out)), dump.total, dump.layers, params


def in_file_order(path: Path, tensors: Tensors) -> Path:
    """Write a safetensors file by hand, in the order given: the library sorts."""
    codes = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "complex64": "C64"}
    header, end = {}, 0
    for name, array in tensors.items():
        offsets = [end, end := end + array.nbytes]
        header[name] = {"dtype": codes[array.dtype.name], "shape": array.shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in tensors.values()))
    return path


@pytest.mark.parametrize(("format", "strategy"), crossed(FORMATS, THRESHOLDS))
def test_threads(format: str, strategy: str, tensors: Tensors, tmp_path: Path) -> None:
    """A result does not depend on the number of threads."""
    path = save(tmp_path, format, tensors)
    alone = outcome(path, strategy, jobs=1)
    assert all(outcome(path, strategy, jobs=jobs) == alone for jobs in (2, 5, None))


@pytest.mark.parametrize("size", [1, 1 << 16, 100_000, 1 << 26])
@pytest.mark.parametrize("format", FORMATS)
def test_pieces(format: str, size: int, tensors: Tensors, piece_bytes: Callable[[int], None], tmp_path: Path) -> None:
    """A result does not depend on the size of the pieces that are read."""
    path = save(tmp_path, format, tensors)
    usual = outcome(path, "clip-l2-per-layer", jobs=2)
    piece_bytes(size)
    assert outcome(path, "clip-l2-per-layer", jobs=2) == usual


@pytest.mark.parametrize("size", [1 << 12, 1 << 16, 100_000])
@pytest.mark.parametrize("packing", ["hdf5", "npz"])
def test_pieces_of_what_is_packed(
    packing: str, size: int, tensors: Tensors, piece_bytes: Callable[[int], None], tmp_path: Path
) -> None:
    """Arrays that are packed give the same bits as those that are not, in pieces of any size."""
    plain = outcome(save(tmp_path, packing, tensors, "plain"), "clip-l2-per-layer")
    if packing == "hdf5":
        path = tmp_path / "packed.h5"
        save_hdf5(path, {n: a for n, a in tensors.items() if a.ndim}, chunks=True, compression="gzip")
        with_scalar(path, tensors)
    else:
        save_deflated(path := tmp_path / "packed.npz", tensors)
    outcome(path, "none")
    piece_bytes(size)
    assert outcome(path, "clip-l2-per-layer") == plain


def with_scalar(path: Path, tensors: Tensors) -> None:
    """Add the tensors of no dimension, which HDF5 cannot chunk."""
    import h5py

    with h5py.File(path, "a") as file:
        for name, array in tensors.items():
            if not array.ndim:
                file[name] = array


@pytest.mark.parametrize(("format", "strategy"), crossed(FORMATS, THRESHOLDS))
def test_order_in_the_file(format: str, strategy: str, tensors: Tensors, tmp_path: Path) -> None:
    """A result does not depend on the order of the tensors in the file."""
    names = list(tensors)
    orders = [names, names[::-1], [names[k] for k in np.random.default_rng(1).permutation(len(names))]]
    found = []
    for number, order in enumerate(orders):
        listed = {name: tensors[name] for name in order}
        if format == "safetensors":
            path = in_file_order(tmp_path / f"{number}.safetensors", listed)
            assert all_bits(load(path)) == all_bits(tensors)
        else:
            path = save(tmp_path, format, listed, str(number))
        found.append(outcome(path, strategy))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("strategy", THRESHOLDS)
def test_formats(strategy: str, tensors: Tensors, tmp_path: Path) -> None:
    """A result does not depend on the format that is read, nor on the one that is written."""
    first, *others = [outcome(save(tmp_path, format, tensors), strategy) for format in FORMATS]
    assert all(other == first for other in others)
    source = save(tmp_path, FORMATS[0], tensors)
    for format in FORMATS:
        out = beside(source, format, "converted")
        clip(source, out, strategy=strategy, threshold=THRESHOLDS[strategy], output_dtype="keep")
        assert all_bits(load(out)) == first[0]


@pytest.mark.parametrize("threads", [1, 3])
def test_stats(threads: int, tensors: Tensors, piece_bytes: Callable[[int], None], tmp_path: Path) -> None:
    """The norms of `stats` are the same bits for any threads, pieces and format."""

    def norms(format: str, jobs: int) -> list[object]:
        report = gradclip_cli.stats(save(tmp_path, format, tensors), jobs=jobs, void_dtype="bfloat16", norm_type=1.5)
        params = sorted((row.name, row.summary.mean) for row in report.params)
        return [params, report.layers, report.dumps[0].norm, report.suggestions]

    usual = [norms(format, 1) for format in FORMATS]
    piece_bytes(1 << 16)
    found = [norms(format, threads) for format in FORMATS]
    assert all(other == usual[0] for other in [*usual, *found])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_column_major_order(dtype: np.dtype, tmp_path: Path) -> None:
    """Fortran-order arrays agree with C-order ones to 1e-12 of a norm and to one step of the dtype an element."""
    array = np.random.default_rng(6).standard_normal((211, 7, 31)).astype(dtype)
    rows = save(tmp_path, "npz", {"w": array}, "rows")
    columns = save(tmp_path, "npz", {"w": np.asfortranarray(array)}, "columns")
    found, dumps = {}, {}
    for path in (rows, columns):
        out = path.with_name(f"out-{path.name}")
        dumps[path] = clip(path, out, strategy="clip-by-norm", threshold=1.0)
        found[path] = load(out)["w"]
    assert dumps[columns].total.norm_before == pytest.approx(dumps[rows].total.norm_before, rel=1e-12)
    if dtype == np.float64:
        np.testing.assert_allclose(found[columns], found[rows], rtol=1e-12, atol=0)
    else:
        assert ulps(np.ascontiguousarray(found[columns]), found[rows]) <= 1


def test_packed_files_are_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    """Many chunked datasets, packed by several threads, come out as the same bytes each time."""
    rng = np.random.default_rng(3)
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        for k in range(30):
            packing = {"compression": "gzip", "shuffle": k % 2 == 0, "chunks": (7, 11)}
            file.create_dataset(f"g{k}/w", data=rng.standard_normal((50, 60)).astype("f4"), **packing)
            file.create_dataset(f"g{k}/b", data=rng.standard_normal(500).astype("f4"))
    outputs = []
    for k, jobs in enumerate((1, 2, 5, 5)):
        out = tmp_path / f"out{k}.h5"
        apply(path, out, strategy="clip-by-global-norm", threshold=1.0, jobs=jobs)
        outputs.append(out.read_bytes())
    assert len(set(outputs)) == 1
