"""Pieces that say where they belong fill their tensors, or are refused."""

import json

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.pieces import SHARDING_KEY, PlacedPiece, Whole, saved_offsets, wholes


def test_the_shape_follows_from_the_pieces() -> None:
    """A tensor reaches as far as its pieces; they may come in any order, and some may be empty."""
    found = wholes(["w", "b", "w", "w"], [(4, 0), (0,), (0, 0), (5, 0)], [(1, 3), (2,), (4, 3), (0, 3)])
    assert {name: whole.shape for name, whole in found.items()} == {"w": (5, 3), "b": (2,)}
    assert [piece.place for piece in found["w"].pieces] == [0, 2, 3]
    assert [whole.flaw() for whole in found.values()] == ["", ""]


def test_a_scalar_is_whole() -> None:
    """A tensor without axes is in one piece, or in copies of it."""
    whole = Whole.of([PlacedPiece(3, (), ()), PlacedPiece(8, (), ())])
    assert (whole.shape, whole.copies, whole.flaw()) == ((), {8: 3}, "")


@pytest.mark.parametrize(
    ("pieces", "flaw"),
    [
        ([((0, 0), (2, 3)), ((3, 0), (1, 3))], "its pieces hold 9 of the 12 elements of shape [4, 3]"),
        ([((1, 0), (2, 3))], "its pieces hold 6 of the 9 elements of shape [3, 3]"),
        ([((0, 0), (2, 3)), ((1, 0), (2, 3))], "its pieces at [0, 0] and [1, 0] overlap"),
        ([((0, 0), (2, 3)), ((0, 0), (2, 2))], "its pieces at [0, 0] and [0, 0] overlap"),
        ([((0, 0), (2, 2)), ((0, 2), (2, 1)), ((1, 2), (2, 1))], "its pieces at [0, 2] and [1, 2] overlap"),
        ([((0, 0), (2, 3)), ((2,), (3,))], "its pieces have 1 and 2 axes"),
    ],
)
def test_what_does_not_fill_a_tensor(pieces: list[tuple[tuple[int, ...], tuple[int, ...]]], flaw: str) -> None:
    """Holes, overlaps and pieces of other tensors are named."""
    assert Whole.of(PlacedPiece(k, *piece) for k, piece in enumerate(pieces)).flaw() == flaw


def test_a_grid_fills_a_tensor() -> None:
    """Pieces may cut several axes, each at its own places; the same at any of them twice is a copy, no overlap."""
    cuts = [(row, column) for row in (0, 3) for column in (0, 2, 4)]
    pieces = [PlacedPiece(k, cut, (3 if cut[0] == 0 else 1, 2)) for k, cut in enumerate([*cuts, (3, 2)])]
    whole = Whole.of(pieces)
    assert (whole.shape, whole.copies, whole.flaw()) == ((4, 6), {6: 4}, "")


def test_offsets_are_read_from_the_metadata() -> None:
    """Each tensor has one number for each of its axes."""
    metadata = {SHARDING_KEY: json.dumps({"w": {"saved_offsets": [4, 0]}, "s": {"saved_offsets": []}})}
    assert saved_offsets("a", metadata, {"w": 2, "s": 0}) == {"w": (4, 0), "s": ()}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[]",
        "{}",
        '{"w": 1}',
        '{"w": {}}',
        '{"w": {"saved_offsets": [1]}}',
        '{"w": {"saved_offsets": [1, -1]}}',
        '{"w": {"saved_offsets": [1, true]}}',
        '{"w": {"saved_offsets": "12"}}',
        '{"w": {"saved_offsets": [0, 9223372036854775808]}}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_metadata_that_says_something_else(text: str) -> None:
    """What is not where a tensor begins is an error of the file."""
    with pytest.raises(InputError, match="does not say where each tensor begins") as caught:
        saved_offsets("a", {SHARDING_KEY: text}, {"w": 2})
    assert caught.value.path == "a"


def test_a_file_without_the_metadata() -> None:
    """A file that says nothing is no shard."""
    with pytest.raises(InputError, match=f"has no {SHARDING_KEY} in its metadata"):
        saved_offsets("a", {}, {"w": 2})
