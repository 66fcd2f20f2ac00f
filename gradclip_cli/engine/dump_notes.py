"""Note what a user must know about a dump that was measured: what its names say, and values that were never written."""

from collections.abc import Sequence

import numpy as np

from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.lookalikes import lookalike_notes
from gradclip_cli.inputs.mixtures import mixture_notes
from gradclip_cli.inputs.opened import OpenDump
from gradclip_cli.inputs.slices import log_notes
from gradclip_cli.notes import Note
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.spec_table import names_of, picked
from gradclip_cli.text import shortlist

_FILLING = float(np.float32(9.9692099683868690e36))
"""The value that netCDF gives to elements of float32 and float64 that were never written."""


def notes_on_dump(dump: OpenDump, stats: StatsTable, run: Run) -> list[Note]:
    """Return the notes on an open dump whose gradients were measured; what the user has included by name needs none on names."""
    said = _fill_notes(dump, stats)
    if run.shared("plain names", dump.tensors, lambda: not _said_of_names(dump, stats, run)):
        return [*dump.notes, *dump.step_notes, *said]
    return [*dump.notes, *dump.step_notes, *_said_of_names(dump, stats, run), *said]


def _said_of_names(dump: OpenDump, stats: StatsTable, run: Run) -> list[Note]:
    """Return the notes that follow from the names and the shapes of the tensors that count."""
    on_names = [] if run.selection.include else name_notes(dump, stats.indices)
    return [*log_notes([dump.tensors[index] for index in stats], dump.source.location), *on_names]


def name_notes(dump: OpenDump, counted: Sequence[int]) -> list[Note]:
    """Note what the names of the tensors that count say of them."""
    path = dump.source.location
    return [
        *lookalike_notes(path, dump.tensors, counted),
        *mixture_notes(path, names_of(picked(dump.tensors, counted))),
    ]


def _fill_notes(dump: OpenDump, stats: StatsTable) -> list[Note]:
    """Note tensors whose largest element is what netCDF fills unwritten elements with."""
    if stats.overall.max_abs / stats.scale < _FILLING or _FILLING not in stats.max_abs:
        return []
    filled = np.flatnonzero(stats.max_abs == _FILLING).tolist()
    found = [dump.tensors[stats.indices[row]].name for row in filled]
    what = f"largest element {_FILLING:.6g}, with which netCDF fills what was never written: {shortlist(found, 4)}"
    return [Note("fill-values", f"{dump.source.location}: {what}", len(found), changes_figures=True)]
