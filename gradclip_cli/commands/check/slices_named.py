"""Read the tensors of findings on large norms again: name the largest element, and the slice that holds most of the square."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, percent
from gradclip_cli.commands.check.collect import DumpFigures
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.slice_squares import SliceSquares, largest_slice, most_read_again, stands_out
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.slices import slice_word
from gradclip_cli.text import printable

_RULES = frozenset({"exploding", "dominated"})


def with_slices(
    found: Iterable[tuple[str, Problem]], figures: Figures, dumps: Sequence[DumpFigures], run: Run
) -> Iterator[tuple[str, Problem]]:
    """Read the tensors of some problems again, each in the first dump that has the problem; pass the others on."""
    budget = most_read_again(float(figures.elements.sum()))
    known: dict[tuple[int, int], SliceSquares | None] = {}
    for rule, one in found:
        row, column = one.dumps[0], _column(one, figures) if rule in _RULES else None
        if column is not None and (row, column) not in known and figures.elements[row, column] <= budget:
            budget -= float(figures.elements[row, column])
            known[row, column] = _read_again(row, column, figures, dumps[row], run)
        again = known.get((row, column)) if column is not None else None
        if column is None or again is None:
            yield rule, one
        else:
            yield rule, _completed(one, figures.tensors[column].name, again)


def _column(one: Problem, figures: Figures) -> int | None:
    """Return the tensor that a problem is about, or the largest of its layer or dump; None if that is 0 or not finite."""
    row = one.dumps[0]
    norms = np.where(figures.sound[row], figures.norm[row], 0)
    if one.tensor is not None:
        norms = np.where(np.arange(norms.size) == one.tensor, norms, 0)
    elif one.layer is not None:
        norms = np.where([tensor.layer == one.layer for tensor in figures.tensors], norms, 0)
    column = int(norms.argmax())
    return column if norms[column] > 0 else None


def _read_again(row: int, column: int, figures: Figures, dump: DumpFigures, run: Run) -> SliceSquares | None:
    """Read a tensor again; return None if its file is no longer what it was: the finding holds without a name for its slice."""
    name = figures.tensors[column].name
    number = next(k for k, tensor in enumerate(dump.tensors) if tensor.name == name)
    try:
        return largest_slice(dump.stored, number, float(figures.max_abs[row, column]), run)
    except InputError:
        return None


def _completed(one: Problem, name: str, found: SliceSquares) -> Problem:
    """Give a problem the index of the largest element and, if one slice holds most of the square, that slice."""
    one = one._replace(place=found.peak.place)
    if found.slice is None or not stands_out(found):
        return one
    word = slice_word(name, found.axes)
    of = printable(name) if found.file is None else f"the piece of {printable(name)} in {printable(found.file)}"
    held = f"{word} {found.slice} of {of} holds {percent(found.share)} of"
    brief = f"{one.brief}; {held} its square" if one.brief else ""
    return one._replace(slices=str(found.slice), message=f"{one.message}; {held} the tensor's square", brief=brief)
