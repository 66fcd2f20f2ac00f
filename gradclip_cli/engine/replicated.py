"""Count what every rank holds whole once, where the user says so, and point it out where not."""

from dataclasses import replace

from gradclip_cli.engine.copies import Pieces, no_copy, replica_notes
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.same_bits import measured_as, repeated, same_bits
from gradclip_cli.engine.survey import MeasuredDump, count_once
from gradclip_cli.inputs.patterns import matching
from gradclip_cli.notes import Note


def count_replicated(dump: MeasuredDump, run: Run) -> MeasuredDump:
    """Count the tensors that --replicated names once; note other tensors of which all pieces, or some, have the same bits.

    Raises InputError where the pieces of a tensor that --replicated names differ.
    """
    pieces = {name: indices for name, indices in dump.named.items() if len(indices) > 1}
    chosen = set(matching(pieces, run.selection.replicated))
    copies = {index: pieces[name][0] for name in pieces if name in chosen for index in pieces[name][1:]}
    for copy, original in copies.items():
        if measured_as(dump, copy) != measured_as(dump, original):
            raise no_copy(copy, original, dump.files, dump.tensors)
    found = count_once(dump, copies, run, no_copy) if copies else dump
    notes = _notes(dump, {name: pieces[name] for name in pieces if name not in chosen}, run)
    return replace(found, copy_notes=[*found.copy_notes, *notes]) if notes else found


def _notes(dump: MeasuredDump, pieces: Pieces, run: Run) -> list[Note]:
    """Note the tensors of which all ranks, or some of them, hold the same bits."""
    again = set(repeated(dump)) if pieces else set()
    groups = [[[index] for index in indices if index in again] for indices in pieces.values()] if again else []
    return replica_notes(dump.source.files[0], pieces, same_bits(dump, groups, run))
