"""Count what every rank holds whole once, where the user says so, and point it out where not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradclip_cli.engine.copies import no_copy, replica_notes
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.same_bits import repeated, same_bits
from gradclip_cli.engine.survey import MeasuredDump, without_copies
from gradclip_cli.inputs.patterns import matching
from gradclip_cli.notes import Note

Pieces = Mapping[str, Sequence[int]]
"""The pieces of tensors, by name: their indices in a dump."""


def count_replicated(dump: MeasuredDump, run: Run) -> MeasuredDump:
    """Count the tensors that --replicated names once; note other tensors of which all pieces, or some, have the same bits.

    Raises InputError where the pieces of a tensor that --replicated names differ.
    """
    pieces = {name: indices for name, indices in dump.named.items() if len(indices) > 1}
    chosen = set(matching(pieces, run.selection.replicated))
    copies = {index: pieces[name][0] for name in pieces if name in chosen for index in pieces[name][1:]}
    for copy, original in copies.items():
        _check_kind(dump, copy, original)
    found = without_copies(dump, copies, run) if copies else dump
    notes = _notes(dump, {name: pieces[name] for name in pieces if name not in chosen}, run)
    return replace(found, copy_notes=[*found.copy_notes, *notes]) if notes else found


def _check_kind(dump: MeasuredDump, copy: int, original: int) -> None:
    """Raise InputError where two pieces differ in their shape, or in what was measured, so that no element need be read."""
    one, other = dump.tensors[copy], dump.tensors[original]
    if (one.shape, one.dtype, dump.stats[copy]) != (other.shape, other.dtype, dump.stats[original]):
        raise no_copy(copy, original, dump.files, dump.tensors)


def _notes(dump: MeasuredDump, pieces: Pieces, run: Run) -> list[Note]:
    """Note the tensors of which all ranks, or some of them, hold the same bits."""
    again = set(repeated(dump)) if pieces else set()
    groups = [[[index] for index in indices if index in again] for indices in pieces.values()] if again else []
    return replica_notes(dump.source.files[0], pieces, same_bits(dump, groups, run))
