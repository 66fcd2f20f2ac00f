"""Choose tensors of a dump that was measured with all of them, so that --include and --exclude need not read it again."""

from collections.abc import Sequence
from dataclasses import replace

from gradclip_cli.engine.dump_notes import notes_on_tensors
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.notes import Note
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.spec_table import marked, names_of

_NAMED_BY_READERS = frozenset({"pickled", "floats-in-records"})
"""Notes on what is no tensor, which are about selected names only."""


def whole(selection: Selection) -> Selection | None:
    """Return the selection of all tensors that this one chooses from; None if there is none to choose from."""
    if selection.along is not None or not (selection.include or selection.exclude):
        return None
    return replace(selection, include=(), exclude=())


def chosen(dump: MeasuredDump, run: Run) -> MeasuredDump | None:
    """Return the dump as it would be if only selected tensors had been measured; None where that takes another reading.

    That is so for steps within a file, copies, tensors that their file marks as no gradients, and names that are no tensors.
    """
    tensors = dump.tensors
    if dump.prefix or dump.copies or not run.shared("unmarked", tensors, lambda: not marked(tensors)):
        return None
    names = run.shared("chosen", tensors, lambda: run.selection.rows(names_of(tensors)))
    stats = dump.stats.only(names)
    notes = _notes(dump, stats, run)
    if notes is None:
        return None
    return replace(dump, stats=stats, file_notes=notes, firsts=None if stats.all_finite else dump.firsts)


def _notes(dump: MeasuredDump, stats: StatsTable, run: Run) -> Sequence[Note] | None:
    """Return the notes on the files, with those on selected tensors in place of those on all, which come last."""
    said = notes_on_tensors(dump, dump.stats, run, named=False, key="plain, of all")
    rest = list(dump.file_notes[: len(dump.file_notes) - len(said)])
    if [*rest, *said] != list(dump.file_notes) or any(note.kind in _NAMED_BY_READERS for note in rest):
        return None
    return [*rest, *notes_on_tensors(dump, stats, run, named=bool(run.selection.include))]
