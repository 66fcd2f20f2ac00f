"""Tensors are cut into pieces that cover them once, along whole blocks."""

from itertools import pairwise

import pytest

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.tensors import (
    PIECE_BYTES,
    Piece,
    TensorSpec,
    adjoin,
    laid_for,
    pieces_in_order,
    slices_in_order,
    split,
    split_slices,
)


def specs(*sizes: int, gap: int = 0, packed: bool = False) -> list[TensorSpec]:
    """Float32 tensors side by side in a file, or packed ones."""
    found, at = [], 100
    for k, size in enumerate(sizes):
        found.append(TensorSpec(f"t{k}", dtypes.FLOAT32, (size,), None if packed else at))
        at += 4 * size + gap
    return found


@pytest.mark.parametrize(("shape", "size"), [((), 1), ((0,), 0), ((3, 0, 5), 0), ((2, 3, 4), 24), ((7,), 7)])
def test_size_is_the_product_of_the_shape(shape: tuple[int, ...], size: int) -> None:
    """A scalar has one element, an empty axis makes an empty tensor, and bytes are elements times item size."""
    spec = TensorSpec("t", dtypes.FLOAT64, shape)
    assert (spec.size, spec.nbytes) == (size, 8 * size)


def test_a_position_is_counted_in_elements() -> None:
    """Element `start` lies `start` item sizes behind the offset."""
    assert TensorSpec("t", dtypes.FLOAT16, (10,), 1000).position(3) == 1006


def test_a_packed_tensor_has_no_positions() -> None:
    """Asking where an element of an encoded tensor lies is a mistake of the program."""
    with pytest.raises(TypeError, match="encoded"):
        TensorSpec("t", dtypes.FLOAT16, (10,)).position(0)


@pytest.mark.parametrize("piece_bytes", [1, 4 * BLOCK, 3 * 4 * BLOCK, PIECE_BYTES])
@pytest.mark.parametrize("size", [BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 17])
def test_pieces_cover_a_tensor_once(size: int, piece_bytes: int) -> None:
    """The pieces of a large tensor follow each other without gap or overlap, and begin at whole blocks."""
    pieces = list(split(specs(size), [0], piece_bytes))
    assert (pieces[0].start, pieces[-1].stop) == (0, size)
    assert all(a.stop == b.start for a, b in pairwise(pieces))
    assert all(piece.start % BLOCK == 0 and piece.count == 1 for piece in pieces)
    assert all((piece.stop - piece.start) * 4 <= max(piece_bytes, 4 * BLOCK) for piece in pieces)


def test_small_encoded_neighbours_are_taken_together() -> None:
    """Encoded tensors of one dtype make one piece if the file says that they follow each other, and no others do."""
    found = specs(3, 4, 5, 7, 2, 9, 3 * BLOCK, packed=True)  # the last is by far the largest, and comes first
    for k in (0, 1, 3, 4, 5):
        found[k].slot = k
    large = Piece(6, 1, 0, 3 * BLOCK)
    assert list(split(found, range(7))) == [large, Piece(0, 2, 0, 7), Piece(2, 1, 0, 5), Piece(3, 3, 0, 18)]
    assert list(split(found, [3, 5, 6])) == [large, Piece(3, 1, 0, 7), Piece(5, 1, 0, 9)]
    found[4].dtype = dtypes.FLOAT16
    assert list(split(found, [3, 4, 5, 6])) == [large, Piece(3, 1, 0, 7), Piece(4, 1, 0, 2), Piece(5, 1, 0, 9)]
    found[3:6] = found[4], found[5], found[3]
    assert list(split(found, [5, 6])) == [large, Piece(5, 1, 0, 7)]


def test_what_adjoins() -> None:
    """Tensors adjoin where one begins just behind the other, or is the next of those that are read together."""
    one, next_one, far, encoded, other = (TensorSpec("t", dtypes.FLOAT32, (2,), at) for at in (8, 16, 24, None, None))
    assert [adjoin(one, after) for after in (next_one, far, encoded)] == [True, False, False]
    assert not adjoin(encoded, other)
    encoded.slot, other.slot = 3, 4
    assert adjoin(encoded, other)
    assert not adjoin(other, encoded)
    assert not adjoin(encoded, one)


def test_what_only_the_output_encodes_or_turns_stays_whole() -> None:
    """A tensor is split as it lies in the input, unless it must be written from first element to last, or in another order."""
    plain, encoded, turned = (TensorSpec("t", dtypes.FLOAT32, (4, 2), offset) for offset in (8, None, 8))
    encoded.slot, turned.fortran = 5, True
    assert laid_for(plain, plain) is plain
    assert laid_for(encoded, plain) is encoded
    assert laid_for(encoded, encoded) is encoded
    for spec, target in ((plain, encoded), (turned, plain), (encoded, turned)):
        laid = laid_for(spec, target)
        assert (laid.offset, laid.slot, laid.fortran) == (None, None, spec.fortran)


def test_small_encoded_tensors_make_pieces_of_bounded_size() -> None:
    """A run ends where it would be larger than a piece."""
    found = specs(*[1000] * 10, packed=True)
    for k, spec in enumerate(found):
        spec.slot = k
    pieces = list(split(found, range(10), 4 * 4000))
    assert [piece.count for piece in pieces] == [4, 4, 2]


def test_small_neighbours_are_taken_together() -> None:
    """Tensors of at most a block each that adjoin in the file make one piece."""
    assert list(split(specs(3, BLOCK, 0, 5), range(4))) == [Piece(0, 4, 0, BLOCK + 8)]


def test_a_gap_parts_neighbours() -> None:
    """Tensors with other bytes between them are not read in one go."""
    assert list(split(specs(3, 5, gap=4), range(2))) == [Piece(0, 1, 0, 3), Piece(1, 1, 0, 5)]


def test_what_is_left_out_parts_neighbours() -> None:
    """A tensor that is not wanted between two others keeps them apart."""
    assert [piece.index for piece in split(specs(3, 5, 7), [0, 2])] == [0, 2]


def test_another_dtype_parts_neighbours() -> None:
    """Tensors of two dtypes are never one piece."""
    first = TensorSpec("a", dtypes.FLOAT32, (4,), 0)
    second = TensorSpec("b", dtypes.FLOAT16, (4,), 16)
    assert [piece.count for piece in split([first, second], range(2))] == [1, 1]


def test_a_run_is_no_larger_than_a_piece() -> None:
    """Small tensors are joined only while they fit in one piece."""
    pieces = list(split(specs(*[1000] * 10), range(10), piece_bytes=12_000))
    assert [piece.count for piece in pieces] == [3, 3, 3, 1]


def test_packed_tensors_stay_whole() -> None:
    """A tensor without an offset is one piece however large it is, and never joined with another."""
    assert list(split(specs(9 * BLOCK, 3, packed=True), range(2), 4 * BLOCK)) == [
        Piece(0, 1, 0, 9 * BLOCK),
        Piece(1, 1, 0, 3),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_an_empty_tensor_has_one_slab(packed: bool) -> None:
    """A tensor without elements still comes by once, so that it is measured and written."""
    (piece,) = split(specs(0, packed=packed), [0])
    assert piece == Piece(0, 1, 0, 0)
    assert list(pieces_in_order(piece)) == [piece]


def test_pieces_in_order_of_a_part() -> None:
    """A piece in the midst of a tensor is cut from its own start to its own end."""
    piece = Piece(0, 1, BLOCK, 3 * BLOCK + 5)
    found = [(part.start, part.stop) for part in pieces_in_order(piece, 4 * BLOCK)]
    assert found == [(BLOCK, 2 * BLOCK), (2 * BLOCK, 3 * BLOCK), (3 * BLOCK, 3 * BLOCK + 5)]


def test_the_largest_of_the_packed_tensors_come_first() -> None:
    """What one thread has to do alone is begun first, the largest of it before all; small ones stay in order."""
    sizes = [*[10] * 20, 900, *[10] * 20, 5000]
    found = [piece.index for piece in split(specs(*sizes, packed=True), range(len(sizes)))]
    assert found == [41, 20, *range(20), *range(21, 41)]


@pytest.mark.parametrize("size", [1, 12, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
@pytest.mark.parametrize("piece_bytes", [1, 8 * BLOCK, 1 << 20])
def test_slices_are_never_shared_by_parts_of_others(size: int, piece_bytes: int) -> None:
    """Pieces cover all elements in order: whole slices of at most a block, or whole blocks of one larger slice."""
    spec = TensorSpec("w", dtypes.FLOAT32, (7, size), 0)
    pieces = list(split_slices([spec], [0], piece_bytes))
    assert [piece.start for piece in pieces] == [0, *(piece.stop for piece in pieces[:-1])]
    assert pieces[-1].stop == spec.size
    for piece in pieces:
        assert piece.stop - piece.start <= max(BLOCK, piece_bytes // 4)
        if size <= BLOCK:
            assert piece.start % size == piece.stop % size == 0
        else:
            assert piece.start // size == (piece.stop - 1) // size
            assert piece.start % size % BLOCK == 0
            assert piece.stop % size == 0 or piece.stop % size % BLOCK == 0


def test_slices_of_an_encoded_tensor_stay_together() -> None:
    """A tensor without an offset is one piece, which is cut in order; slices without elements are none."""
    spec = TensorSpec("w", dtypes.FLOAT32, (7, BLOCK))
    (piece,) = split_slices([spec], [0], 1)
    assert (piece.start, piece.stop) == (0, spec.size)
    assert [part.stop for part in slices_in_order(piece, spec, 1)] == [k * BLOCK for k in range(1, 8)]
    assert list(slices_in_order(Piece(0, 1, 0, 0), TensorSpec("w", dtypes.FLOAT32, (7, 0)))) == []
