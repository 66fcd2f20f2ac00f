"""Measure the units of the tensors of a dump in the same reading as all else."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.inputs.opened import OpenDump
from gradclip_cli.inputs.unit_axis import FIRST, axis_notes, unit_axes
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.unit_layout import UnitLayout
from gradclip_cli.numerics.unit_norms import UnitSums
from gradclip_cli.numerics.unit_sums import UnitPart, measure_units
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

if TYPE_CHECKING:
    from gradclip_cli.formats.base import Format, Reader
    from gradclip_cli.notes import Note
    from gradclip_cli.numerics.dtypes import Raw
    from gradclip_cli.numerics.statistics_arrays import StatsArrays


def named_in(dump: OpenDump) -> list[str]:
    """Return the names of the tensors of a dump that have an axis of units, in all of its files."""
    return [spec.name for file in dump.each() for spec in file.outline.tensors if _has_axis(spec)]


def _has_axis(spec: TensorSpec) -> bool:
    return spec.dtype.is_gradient and len(spec.shape) > 1 and spec.size > 0


class _See(NamedTuple):
    """Sums the squares of units where a piece is measured."""

    specs: Sequence[TensorSpec]
    layouts: Mapping[int, UnitLayout]
    work: Workspace

    def see(self, piece: Piece, raw: "Raw", stats: "PieceStats | StatsArrays") -> list[tuple[int, UnitPart]] | None:
        """Return the sums of each tensor in a piece that has several units."""
        if isinstance(stats, PieceStats):
            layout = self.layouts.get(piece.index)
            if layout is None:
                return None
            dtype = self.specs[piece.index].dtype
            return [(piece.index, measure_units(raw, dtype, piece.start, layout, stats.all_finite, self.work))]
        return self._small(piece, raw, stats) or None

    def _small(self, piece: Piece, raw: "Raw", stats: "StatsArrays") -> list[tuple[int, UnitPart]]:
        """Sum the units of several small tensors."""
        found, at, dtype = [], 0, self.specs[piece.index].dtype
        for row in range(piece.count):
            index = piece.index + row
            end = at + self.specs[index].nbytes
            if (layout := self.layouts.get(index)) is not None:
                finite = not stats.ints[row, 2:5].any()
                found.append((index, measure_units(raw[at:end], dtype, 0, layout, finite, self.work)))
            at = end
        return found


class MeasuredUnits(NamedTuple):
    """The sums of the units of one tensor of a file, and the axis that they lie along, if it is a piece of a larger one."""

    axis: str
    sums: UnitSums


class UnitMeter:
    """Measures the units of a dump that is read file by file, along `axis` (`--unit-axis`).

    With `in_pieces`, tensors may be pieces of larger ones. `every` returns the names in all files of the dump, if it has several.
    """

    def __init__(
        self, axis: str, work: Workspace, *, in_pieces: bool, every: Callable[[], list[str]] | None = None
    ) -> None:
        self._axis, self._work, self._in_pieces, self._every = axis, work, in_pieces, every
        self._files: list[dict[int, MeasuredUnits]] = []
        self._names: Sequence[str] = ()  # in the dump, of the tensors of the file at hand
        self._told: list[str] = []

    def begin(self, names: Sequence[str]) -> None:
        """Begin a file, whose tensors have these names in the dump."""
        self._names = names

    def notes(self, path: str) -> list["Note"]:
        """Return a note on what the names of tensors left open."""
        return axis_notes(path, self._told, self._axis)

    def observer_for(self, format: "Format", reader: "Reader") -> PieceObserver:
        """Return the observer of the file that was begun."""
        specs, names = reader.tensors, self._names
        which = [k for k, spec in enumerate(specs) if _has_axis(spec)]
        axes = unit_axes([names[k] for k in which], self._axis, self._every)
        laid = {
            k: UnitLayout.of(specs[k].shape, first=axis == FIRST, fortran=specs[k].fortran, piece=self._in_pieces)
            for k, axis in zip(which, axes, strict=True)
        }
        layouts = {k: layout for k, layout in laid.items() if layout.units > 1 or self._in_pieces}
        self._told += [names[k] for k in layouts]
        of = dict(zip(which, axes, strict=True))
        found = {k: MeasuredUnits(of[k], UnitSums(layout)) for k, layout in layouts.items()}
        self._files.append(found)

        def take(_: Piece, parts: list[tuple[int, UnitPart]]) -> None:
            for index, part in parts:
                found[index].sums.add(part)

        return PieceObserver(_See(specs, layouts, self._work).see, take)

    def by_index(self, starts: Sequence[int]) -> dict[int, MeasuredUnits]:
        """Return what was measured by index in the dump; `starts` has that of the first tensor of each file."""
        pairs = zip(starts, self._files, strict=True)
        return {start + index: sums for start, found in pairs for index, sums in found.items()}
