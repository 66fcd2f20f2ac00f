"""Note what a user must know about a dump that was measured: what its names say, and values that were never written."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.lookalikes import lookalike_notes
from gradclip_cli.inputs.mixtures import mixture_notes
from gradclip_cli.inputs.opened import OpenDump
from gradclip_cli.inputs.slices import log_notes
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.spec_table import names_of, picked
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

_FILLING = float(np.float32(9.9692099683868690e36))
"""The value that netCDF gives to elements of float32 and float64 that were never written."""


class HasTensors(Protocol):
    """A dump, open or measured."""

    @property
    def source(self) -> DumpSource:
        """Its files."""

    @property
    def tensors(self) -> Sequence[TensorSpec]:
        """The tensors of all files."""


def notes_on_dump(dump: OpenDump, stats: StatsTable, run: Run) -> list[Note]:
    """Return the notes on an open dump whose gradients were measured."""
    return [*dump.notes, *dump.step_notes, *notes_on_tensors(dump, stats, run, named=bool(run.selection.include))]


def notes_on_tensors(
    dump: HasTensors, stats: StatsTable, run: Run, *, named: bool, key: str = "plain names"
) -> list[Note]:
    """Return the notes on the tensors that count; where the user has `named` these, they need none on names.

    The run knows by `key` whether those of dumps in a row need any.
    """
    said = _fill_notes(dump, stats)
    if run.shared(key, dump.tensors, lambda: not _said_of_names(dump, stats, named=named)):
        return said
    return [*_said_of_names(dump, stats, named=named), *said]


def _said_of_names(dump: HasTensors, stats: StatsTable, *, named: bool) -> list[Note]:
    """Return the notes that follow from the names and the shapes of the tensors that count."""
    on_names = [] if named else name_notes(dump, stats.indices)
    return [*log_notes([dump.tensors[index] for index in stats], dump.source.location), *on_names]


def name_notes(dump: HasTensors, counted: Sequence[int]) -> list[Note]:
    """Note what the names of the tensors that count say of them."""
    path = dump.source.location
    return [
        *lookalike_notes(path, dump.tensors, counted),
        *mixture_notes(path, names_of(picked(dump.tensors, counted))),
    ]


def _fill_notes(dump: HasTensors, stats: StatsTable) -> list[Note]:
    """Note tensors whose largest element is what netCDF fills unwritten elements with."""
    if stats.overall.max_abs / stats.scale < _FILLING or _FILLING not in stats.max_abs:
        return []
    filled = np.flatnonzero(stats.max_abs == _FILLING).tolist()
    found = [dump.tensors[stats.indices[row]].name for row in filled]
    what = f"largest element {_FILLING:.6g}, with which netCDF fills what was never written: {shortlist(found, 4)}"
    return [Note("fill-values", f"{dump.source.location}: {what}", len(found), changes_figures=True)]
