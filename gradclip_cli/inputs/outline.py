"""Keep what follows from the tensors of a file and from the selection alone: thousands of dumps in a row share it."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from gradclip_cli.inputs.selection import Selection
from gradclip_cli.spec_table import marked, names_of, picked, rows_of
from gradclip_cli.tensors import Piece, TensorSpec, split

_MOST_REMEMBERED = 20_000
"""The most tensors whose pieces are worth the memory."""


class Outline:
    """The tensors of a file by their names in the dump, which of them count, and the pieces in which these are read."""

    def __init__(self, tensors: Sequence[TensorSpec], selection: Selection) -> None:
        self.tensors, self.selection = tensors, selection

    @cached_property
    def names(self) -> Sequence[str]:
        """The names of the tensors."""
        return names_of(self.tensors)

    @cached_property
    def taken(self) -> Sequence[int]:
        """The indices of the selected tensors, gradients or not."""
        return self.selection.rows(self.names)

    @cached_property
    def counted(self) -> Sequence[int]:
        """The indices of the selected tensors that can be gradients: those of real or complex floats."""
        tensors, counts = self.tensors, self.selection.counts
        found = rows_of(tensors, lambda dtype: dtype.is_gradient, self.taken)
        no_gradients = {row for row, spec in marked(tensors) if not counts(spec)}
        return [row for row in found if row not in no_gradients] if no_gradients else found

    @cached_property
    def gradients(self) -> Sequence[TensorSpec]:
        """The tensors that count."""
        return picked(self.tensors, self.counted)

    @cached_property
    def marked(self) -> list[TensorSpec]:
        """The selected tensors that the file marks as no gradients."""
        return [spec for _, spec in marked(self.tensors) if self.selection.takes(spec.name)]

    @cached_property
    def pieces(self) -> list[Piece]:
        """The pieces of the tensors that count, as the file stores these."""
        return list(split(self.tensors, self.counted))

    def pieces_of(self, stored: Sequence[TensorSpec]) -> Iterable[Piece]:
        """Return the pieces of the tensors that count, as they are `stored`; those of many are not remembered."""
        if stored is not self.tensors or len(stored) > _MOST_REMEMBERED:
            return split(stored, self.counted)
        return self.pieces


class Outlines:
    """Remember the outline of the last file: a format returns the same list for files with the same header."""

    def __init__(self) -> None:
        self._last: Outline | None = None

    def of(self, tensors: Sequence[TensorSpec], selection: Selection) -> Outline:
        """Return the outline of a file."""
        last = self._last
        if last is None or last.tensors is not tensors or last.selection is not selection:
            last = self._last = Outline(tensors, selection)
        return last
