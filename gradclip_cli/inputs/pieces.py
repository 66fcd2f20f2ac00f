"""Put tensors together from pieces whose places in the whole tensor are known."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from gradclip_cli.errors import InputError

Shape = tuple[int, ...]

SHARDING_KEY = "DCP_SHARDING_INFO"
"""The key of a file's metadata under which PyTorch's distributed checkpoint writes where pieces begin."""


class PlacedPiece(NamedTuple):
    """A piece of a tensor: its place among the dump's tensors, and its first element in the whole tensor, along each axis."""

    place: int
    offsets: Shape
    shape: Shape

    @property
    def ends(self) -> Shape:
        """The first position after the piece along each axis."""
        return tuple(map(sum, zip(self.offsets, self.shape, strict=True)))


class Whole(NamedTuple):
    """A tensor in pieces: its full shape, the pieces that count, and copies of those by place, with the place of the original."""

    shape: Shape
    pieces: tuple[PlacedPiece, ...]
    copies: Mapping[int, int]

    @classmethod
    def of(cls, members: Iterable[PlacedPiece]) -> "Whole":
        """Put pieces together; those that begin at the same place and have the same shape are copies of the first.

        >>> whole = Whole.of([PlacedPiece(0, (0, 0), (2, 3)), PlacedPiece(5, (2, 0), (1, 3)), PlacedPiece(7, (2, 0), (1, 3))])
        >>> whole.shape, [piece.place for piece in whole.pieces], whole.copies
        ((3, 3), [0, 5], {7: 5})
        """
        firsts: dict[tuple[Shape, Shape], PlacedPiece] = {}
        copies = {}
        for piece in members:
            first = firsts.setdefault((piece.offsets, piece.shape), piece)
            if first is not piece:
                copies[piece.place] = first.place
        pieces = tuple(firsts.values())
        ends = [piece.ends for piece in pieces if len(piece.shape) == len(pieces[0].shape)]
        return cls(tuple(map(max, zip(*ends, strict=True))), pieces, copies)

    def flaw(self) -> str:
        """Say which pieces overlap, or how many elements no piece holds; return "" where pieces fill the shape exactly."""
        if len(axes := {len(piece.shape) for piece in self.pieces}) > 1:
            return f"its pieces have {' and '.join(map(str, sorted(axes)))} axes"
        filled = [piece for piece in self.pieces if prod(piece.shape)]
        if overlap := next(_overlaps(filled), None):
            first, second = (list(piece.offsets) for piece in overlap)
            return f"its pieces at {first} and {second} overlap"
        held, size = sum(prod(piece.shape) for piece in filled), prod(self.shape)
        return "" if held == size else f"its pieces hold {held:,} of the {size:,} elements of shape {list(self.shape)}"


def wholes(names: Sequence[str], offsets: Sequence[Shape], shapes: Sequence[Shape]) -> dict[str, Whole]:
    """Put the tensors of a dump together, by name; each argument has one entry for each tensor of each file."""
    members: dict[str, list[PlacedPiece]] = {}
    for place, (name, start, shape) in enumerate(zip(names, offsets, shapes, strict=True)):
        members.setdefault(name, []).append(PlacedPiece(place, start, shape))
    return {name: Whole.of(pieces) for name, pieces in members.items()}


def saved_offsets(path: str, metadata: Mapping[str, str], ranks: Mapping[str, int]) -> dict[str, Shape]:
    """Return where each tensor of a file begins in the whole tensor, by name; `ranks` are their numbers of axes.

    Raise InputError if the metadata of the file does not say so.
    """
    try:
        info = json.loads(metadata[SHARDING_KEY])
        return {name: _offsets(info[name], rank) for name, rank in ranks.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = (
            f"its {SHARDING_KEY} does not say where each tensor begins"
            if SHARDING_KEY in metadata
            else f"has no {SHARDING_KEY} in its metadata"
        )
        raise InputError(f"{what}, so it is no shard of this dump", path=path) from error


def _offsets(entry: Any, rank: int) -> Shape:
    """Return the offsets of one entry; raise an error that `saved_offsets` turns if they are not one number for each axis."""
    found = tuple(entry["saved_offsets"])
    if len(found) != rank or not all(type(number) is int and 0 <= number < 1 << 62 for number in found):
        raise ValueError("they are not one number for each axis")
    return found


def _overlaps(pieces: Sequence[PlacedPiece]) -> Iterator[tuple[PlacedPiece, PlacedPiece]]:
    """Yield the pairs of pieces that share elements, found along the axis on which the pieces have most starts."""
    if len(pieces) < 2:
        return
    axis = max(range(len(pieces[0].shape)), key=lambda k: len({piece.offsets[k] for piece in pieces}))
    ordered = sorted(pieces, key=lambda piece: piece.offsets[axis])
    for k, piece in enumerate(ordered):
        ends = piece.ends
        for other in ordered[k + 1 :]:
            if other.offsets[axis] >= ends[axis]:
                break
            if all(map(int.__lt__, other.offsets, ends)) and all(map(int.__lt__, piece.offsets, other.ends)):
                yield piece, other
