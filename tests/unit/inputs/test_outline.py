"""What follows from the tensors of a file and from the selection."""

from gradclip_cli.inputs.outline import Outline, Outlines
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.dtypes import FLOAT32, DType
from gradclip_cli.tensors import Piece, TensorSpec

INT = DType("int64", 8, "int")
SPECS = [
    TensorSpec("a", FLOAT32, (4, 2), 100),
    TensorSpec("b", FLOAT32, (3,), 132),
    TensorSpec("n", INT, (2,), 144),
    TensorSpec("scale", FLOAT32, (5,), 160, role="dimension scales"),
]


def test_gradients_are_the_selected_floats_without_another_role() -> None:
    """Integers are no gradients; what has another role is one only where the user has named it."""
    outline = Outline(SPECS, Selection())
    assert (outline.names, list(outline.taken), outline.counted) == (["a", "b", "n", "scale"], [0, 1, 2, 3], [0, 1])
    assert [spec.name for spec in outline.gradients] == ["a", "b"]
    assert [spec.name for spec in outline.marked] == ["scale"]
    named = Outline(SPECS, Selection(include=("[bns]*",), exclude=("b",)))
    assert (list(named.taken), named.counted) == ([2, 3], [3])


def test_pieces_are_those_of_what_counts() -> None:
    """Small neighbours share a piece; as other readers store them, they are split anew."""
    outline = Outline(SPECS, Selection())
    assert outline.pieces == [Piece(0, 2, 0, 11)]
    assert outline.pieces_of(SPECS) is outline.pieces
    apart = [TensorSpec("a", FLOAT32, (4, 2), 500), *SPECS[1:]]
    assert list(outline.pieces_of(apart)) == [Piece(0, 1, 0, 8), Piece(1, 1, 0, 3)]


def test_only_the_same_list_shares_an_outline() -> None:
    """Equal tensors in another list, and another selection, have outlines of their own."""
    outlines, selection = Outlines(), Selection()
    first = outlines.of(SPECS, selection)
    assert outlines.of(SPECS, selection) is first
    assert outlines.of(list(SPECS), selection) is not first
    assert outlines.of(SPECS, Selection(include=("a",))).counted == [0]
