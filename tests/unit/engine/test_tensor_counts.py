"""The counts of a tensor are put together from its pieces, and so are the places of its extremes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import dump_of, raw_of

from gradclip_cli.engine.tensor_counts import TensorCounts, Where
from gradclip_cli.inputs.opened import DumpFile
from gradclip_cli.inputs.pieces import PlacedPiece, Whole
from gradclip_cli.numerics.dtypes import from_numpy
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.tensors import Piece, TensorSpec


class Reader:
    """Stands for the open file of some tensors."""

    def __init__(self, *specs: TensorSpec) -> None:
        self.tensors = specs


def spec_of(array: NDArray[Any], name: str = "w", fortran: bool = False) -> TensorSpec:
    """Describe an array as it lies in a file."""
    return TensorSpec(name, from_numpy(array.dtype), array.shape, 0, fortran)


def counted(*files: NDArray[Any]) -> TensorCounts:
    """Count arrays, each the only tensor of a file."""
    counts = TensorCounts([], Workspace())
    for array in files:
        observe: Any = counts.observer_for(None, Reader(spec_of(array)))  # type: ignore[arg-type]
        observe.see(Piece(0, 1, 0, array.size), raw_of(array), None)
    return counts


A = np.array([[1, -8], [np.nan, 0.5]], np.float32)
B = np.array([[8, 2], [np.inf, 0.5]], np.float32)


def test_pieces_without_a_place_are_told_by_their_files() -> None:
    """Of ranks, an extreme is in the first file that has it, at its index there."""
    dump = dump_of({"w": A, "v": B})
    dump = replace(
        dump, files=[DumpFile("rank0", Fingerprint(0, 0, 0, 0), 0), DumpFile("rank1", Fingerprint(0, 0, 0, 0), 1)]
    )
    found = counted(A, B).of(dump, [0, 1])
    assert found.largest == (8.0, Where((0, 1), "rank0"))
    assert found.smallest == (0.5, Where((1, 1), "rank0"))
    assert (found.nan_at, found.inf_at) == (Where((1, 0), "rank0"), Where((1, 0), "rank1"))
    assert int(found.counts.bins.sum()) == 6


def test_pieces_with_a_place_give_indices_of_the_whole() -> None:
    """Where pieces say where they belong, the first place is that in the whole, whichever piece holds it."""
    whole = Whole((4, 2), (PlacedPiece(0, (2, 0), (2, 2)), PlacedPiece(1, (0, 0), (2, 2))), {})
    dump = replace(dump_of({"w": A, "v": B}), wholes={"w": whole})
    found = counted(A, B).of(dump, [0, 1])
    assert found.largest == (8.0, Where((0, 0)))
    assert found.smallest == (0.5, Where((1, 1)))
    assert (found.nan_at, found.inf_at) == (Where((3, 0)), Where((1, 0)))


def test_the_first_in_row_major_order_is_found_in_column_major_order() -> None:
    """Whatever the order of elements in the file, the place is that of the first in row-major order, across pieces."""
    array = np.array([[1, 2, 7], [7, 2, 1]], np.float16)
    stored, spec = array.reshape(-1, order="F"), spec_of(array, fortran=True)
    counts = TensorCounts([], Workspace())
    observe: Any = counts.observer_for(None, Reader(spec))  # type: ignore[arg-type]
    for start in (2, 0, 4):
        observe.see(Piece(0, 1, start, start + 2), raw_of(stored[start : start + 2]), None)
    found = counts.of(dump_of({"w": array}), [0])
    assert (found.largest, found.smallest) == ((7.0, Where((0, 2))), (1.0, Where((0, 0))))


@pytest.mark.parametrize("kinds", [("float16", "float16"), ("float16", "float32")])
def test_levels_are_known_where_all_pieces_have_them(kinds: tuple[str, str]) -> None:
    """Exact magnitudes of a tensor are known only if all its pieces are of one narrow dtype."""
    arrays = [np.array([1, 2, 2], kind) for kind in kinds]
    dump = replace(
        dump_of({"w": arrays[0], "v": arrays[1]}),
        files=[DumpFile(name, Fingerprint(0, 0, 0, 0), k) for k, name in enumerate("ab")],
    )
    levels = counted(*arrays).of(dump, [0, 1]).counts.levels
    assert (levels is not None) == (kinds[0] == kinds[1])
    if levels is not None:
        assert levels.counts[levels.values == 2.0].tolist() == [4]


def test_adjacent_small_tensors_are_counted_apart() -> None:
    """A piece of several tensors is counted tensor by tensor."""
    arrays = [np.array([1, 2], np.float32), np.zeros(0, np.float32), np.array([4], np.float32)]
    counts = TensorCounts([], Workspace())
    observe: Any = counts.observer_for(None, Reader(*map(spec_of, arrays)))  # type: ignore[arg-type]
    observe.see(Piece(0, 3, 0, 3), raw_of(np.concatenate(arrays)), None)
    dump = dump_of({str(k): array for k, array in enumerate(arrays)})
    tops = [counts.of(dump, [k]).largest for k in range(3)]
    assert tops == [(2.0, Where((1,))), None, (4.0, Where((0,)))]
