"""Only tensors with the same statistics are read again, and only those with the same first elements to their end."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.official import savez, savez_compressed

from gradclip_cli.engine import copies as module
from gradclip_cli.engine.copies import check_copies, digests
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.same_bits import is_zero, repeated, same_bits
from gradclip_cli.engine.survey import MeasuredDump, measure_dump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.opened import DumpFile
from gradclip_cli.inputs.selection import Selection

RNG = np.random.default_rng(3)
BIG = RNG.standard_normal((3, 9000)).astype(np.float32)
LATE, EARLY = BIG.copy(), BIG.copy()
LATE[2, 8999] *= -1
EARLY[0, 0] *= -1
ARRAYS = {
    "a": BIG,
    "b": BIG,
    "early": EARLY,
    "late": LATE,
    "other": BIG * 2,
    "nan": np.full((2, 2), np.nan, np.float32),
    "nan too": np.full((2, 2), np.nan, np.float32),
    "zero": np.zeros((2, 2), np.float32),
    "zero too": np.zeros((2, 2), np.float32),
}


@pytest.fixture(params=["npz", "packed npz", "chunked hdf5", "hdf5"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file of all arrays, encoded or not."""
    if "npz" in request.param:
        (savez_compressed if "packed" in request.param else savez)(tmp_path / "g.npz", **ARRAYS)
        return str(tmp_path / "g.npz")
    with h5py.File(tmp_path / "g.h5", "w") as file:
        for name, array in ARRAYS.items():
            chunks = (1, 1000) if array.size > 9 and "chunked" in request.param else None
            file.create_dataset(name, data=array, chunks=chunks, compression="gzip" if chunks else None)
    return str(tmp_path / "g.h5")


def test_the_same_bits_are_found(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of one norm differ in one bit, early or late; what is zero is left out, and what differs early is not read on."""
    read: list[set[str]] = []

    def counting(files: Sequence[DumpFile], indices: Iterable[int], run: Run, most: int | None) -> dict[int, bytes]:
        again = list(indices)
        read.append({dump.tensors[index].name for index in again})
        return digests(files, again, run, most)

    monkeypatch.setattr(module, "digests", counting)
    with Threads(1) as workers:
        run = Run(Selection(), workers)
        dump = measure_dump(single(path), (2.0,), run)
        found = repeated(dump)
        groups = same_bits(dump, [[[index] for index in found]], run)
    names = [[dump.tensors[index].name for (index,) in group] for group in groups]
    assert sorted(dump.tensors[index].name for index in found) == ["a", "b", "early", "late", "nan", "nan too"]
    assert sorted(map(sorted, names)) == [["a", "b"], ["nan", "nan too"]]
    assert read == [{"a", "b", "early", "late", "nan", "nan too"}, {"a", "b", "late", "nan", "nan too"}]
    assert [dump.tensors[k].name for k in dump.stats if is_zero(dump, [k])] == ["zero", "zero too"]


def test_copies_are_checked(path: str) -> None:
    """A copy that differs in one bit is an error of the input."""
    with Threads(1) as workers:
        run = Run(Selection(), workers)
        dump = measure_dump(single(path), (2.0,), run)
        at = {spec.name: k for k, spec in enumerate(dump.tensors)}
        check_copies({at["b"]: at["a"]}, dump.files, dump.tensors, run)
        with pytest.raises(InputError, match="late: is not the same as in g"):
            check_copies({at["late"]: at["a"]}, dump.files, dump.tensors, run)


def test_nothing_is_read_where_no_two_are_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all sums differ, statistics are compared no further."""
    savez(tmp_path / "g.npz", a=BIG, b=BIG * 2)

    def never(*_: object) -> None:
        pytest.fail("compared")

    with Threads(1) as workers:
        dump: MeasuredDump = measure_dump(single(str(tmp_path / "g.npz")), (2.0,), Run(Selection(), workers))
    monkeypatch.setattr("gradclip_cli.engine.same_bits._keys_of", never)
    assert repeated(dump) == []
    assert repeated(replace(dump, stats=dump.stats.only([]))) == []
