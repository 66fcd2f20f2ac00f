"""Read tensors again whose elements are above their limits, to measure what is left of them: a reading between the usual two."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.rewrite import Rewriter, Rewritten
from gradclip_cli.engine.rewrite_slices import SliceRewriter
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.tensor_places import TensorPlaces
from gradclip_cli.inputs.opened import DumpFile, OpenFile
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.conversion import wide_type
from gradclip_cli.numerics.norms import stored_limit
from gradclip_cli.numerics.statistics_table import StatsTable, concatenate
from gradclip_cli.strategies.actions import Action, Scale, ScaleApart

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

_L2 = (2.0,)


class Located(NamedTuple):
    """Where the tensors of a dump can be read again, and the columns of its row that they are in, by their numbers."""

    places: TensorPlaces
    columns: NDArray[np.int64]


class SeriesElements:
    """The elements of a series, dumps × tensors; `peaks` and `norms` are the largest |g| and the L2 norms that were measured.

    `dumps` has a row of them each. What was read for some limits is kept, for a rule and a trial that have the same.
    """

    def __init__(self, dumps: Sequence[Located], peaks: Matrix, norms: Matrix, run: Run) -> None:
        self.peaks, self.norms = peaks, norms
        self._dumps, self._run = dumps, run
        self._known: dict[bytes, Matrix] = {}

    def of_steps(self, rows: Mask) -> Self:
        """Return the elements of some dumps alone."""
        dumps = [self._dumps[k] for k in np.flatnonzero(rows).tolist()]
        return type(self)(dumps, self.peaks[rows], self.norms[rows], self._run)

    def norms_under(self, limits: Matrix, limited: Mask) -> Matrix:
        """Return the L2 norms once elements above a limit are multiplied by limit / max |g|, in the tensors that are `limited`.

        Only these are read, one file after the other. Elements are multiplied in float64 and not rounded to their dtype.
        Raises InputError where a file is not what it was.
        """
        key = np.where(limited, limits, np.inf).tobytes()
        if key not in self._known:
            self._known[key] = self._norms_under(limits, limited)
        return self._known[key]

    def _norms_under(self, limits: Matrix, limited: Mask) -> Matrix:
        wanted, inside = list[_Wanted](), dict[DumpSource, list[int]]()
        for k, (dump, own) in enumerate(zip(self._dumps, limited, strict=True)):
            numbers = np.flatnonzero(own[dump.columns]).tolist()
            at = dump.columns[numbers]
            wanted.append(_Wanted.of(dump.places, numbers, limits[k, at], self.peaks[k, at]))
            if numbers:
                inside.setdefault(dump.places.source, []).append(k)
        found = self.norms.copy()

        def read(run: Run, source: DumpSource) -> list[Matrix]:
            return _norms_of([wanted[k] for k in inside[source]], run)

        with closing(self._run.each(read, inside)) as each:
            for (_, rows), measured in zip(inside.items(), each, strict=True):
                for k, norms in zip(rows, measured(), strict=True):
                    found[k, self._dumps[k].columns[wanted[k].numbers]] = norms
        return found


class _Wanted(NamedTuple):
    """The tensors of a dump that are read again, by their numbers, and what is done to each of their pieces, by index."""

    places: TensorPlaces
    numbers: list[int]
    actions: Mapping[int, Action]

    @classmethod
    def of(cls, places: TensorPlaces, numbers: list[int], limits: Matrix, peaks: Matrix) -> "_Wanted":
        """Limit some tensors."""
        actions: dict[int, Action] = {}
        for number, limit, peak in zip(numbers, limits.tolist(), peaks.tolist(), strict=True):
            action = ScaleApart(stored_limit(limit, places.scale), Scale(), Scale(limit, peak))
            actions.update(dict.fromkeys(places.indices(number), action))
        return cls(places, numbers, actions)

    def norms(self, parts: Sequence[tuple[int, StatsTable]]) -> Matrix:
        """Return the norm of each tensor from what was measured in each file, given with the index of its first tensor."""
        stats = concatenate(parts).scaled(self.places.scale)
        return stats.merge_groups([self.places.indices(k) for k in self.numbers], _L2).norms(0, 2.0)


def _norms_of(dumps: Sequence[_Wanted], run: Run) -> list[Matrix]:
    """Return the norms of tensors of dumps that are in the same files."""
    files = dumps[0].places.files
    measured = [_measured(file, dumps, run) for file in files]
    starts = [file.start for file in files]
    return [
        dump.norms([(start, found[k].stats) for start, found in zip(starts, measured, strict=True)])
        for k, dump in enumerate(dumps)
    ]


def _measured(file: DumpFile, dumps: Sequence[_Wanted], run: Run) -> list[Rewritten]:
    """Do the arithmetic of a file in float64 and write nothing; return what was measured for each dump."""
    with run.reopen(file) as opened:
        stop = file.start + len(opened.tensors)
        own = [{k - file.start: one for k, one in dump.actions.items() if file.start <= k < stop} for dump in dumps]
        rewriter = _rewriter(opened, run, set().union(*own))
        if dumps[0].places.row is None:
            found = rewriter._replace(actions={k: one for actions in own for k, one in actions.items()}).run()
            return [found] * len(dumps)
        length = next((opened.reader.tensors[k].shape[0] for actions in own for k in actions), 0)
        slices: dict[int, list[Action | None]] = {k: [None] * length for actions in own for k in actions}
        for dump, actions in zip(dumps, own, strict=True):
            for k, action in actions.items():
                slices[k][dump.places.row or 0] = action
        every = SliceRewriter(rewriter, slices, length).run()
        return [every[dump.places.row or 0] for dump in dumps] if length else [rewriter.run()] * len(dumps)


def _rewriter(opened: OpenFile, run: Run, changed: set[int]) -> Rewriter:
    """Return what changes tensors as float64 or complex128, and writes nothing."""
    specs = opened.reader.tensors
    wide = [replace(spec, dtype=wide_type(spec.dtype)) if k in changed else spec for k, spec in enumerate(specs)]
    return Rewriter(opened.portable, None, -1, "", {}, _L2, run.workers, run.progress, stored=wide)
