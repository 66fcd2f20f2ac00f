"""Count what every rank holds whole once, where the user says so, and point it out where not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradclip_cli.engine.run import Run
from gradclip_cli.engine.same_bits import repeated, same_bits
from gradclip_cli.engine.survey import MeasuredDump, without_copies
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.patterns import matching, options_for
from gradclip_cli.notes import Note
from gradclip_cli.text import shortlist

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
        path, where = dump.file_of(copy).path, dump.file_of(original).path
        what = f"is not the same as in {where}, so it is no copy of it; leave it out of --replicated"
        raise InputError(what, path=path, tensor=one.name)


def _notes(dump: MeasuredDump, pieces: Pieces, run: Run) -> list[Note]:
    """Note the tensors of which all ranks, or some of them, hold the same bits."""
    again = set(repeated(dump)) if pieces else set()
    groups = [[[index] for index in indices if index in again] for indices in pieces.values()] if again else []
    alike = same_bits(dump, groups, run)
    most: dict[str, int] = {}
    for group in alike:
        name = dump.tensors[group[0][0]].name
        most[name] = max(most.get(name, 0), len(group))
    every = [name for name, size in most.items() if size == len(pieces[name])]
    found, path = [], dump.source.files[0]
    if every:
        option = options_for("--replicated", every, [name for name in pieces if name not in every])
        what = f"the same in all ranks, and counted once for each: {shortlist(every)}; give {option} if they are copies"
        found.append(Note("replicas", f"{path}: {what}", len(every), changes_figures=True))
    if some := [name for name in most if name not in set(every)]:
        what = f"the same in some ranks, and counted once for each: {shortlist(some)}; give one file of each copy if they are"
        found.append(Note("partial-replicas", f"{path}: {what}", len(some), changes_figures=True))
    return found
