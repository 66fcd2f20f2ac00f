"""Rows of named values, as in objects of JSON: the norms in them, with the step, epoch and loss scale beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.names import EPOCHS, SCALES, STEPS, first_of, number, whole
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series

_DEEPEST = 8
_MOST_SHAPES = 10_000


class _Shape(NamedTuple):
    """What the columns of some rows are: those of norms, and those beside them."""

    norms: Sequence[tuple[str, Series]]
    step: str | None
    epoch: str | None
    scale: str | None


class Rows:
    """Adds rows to a collector; columns may differ from row to row."""

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def take(self, row: Mapping[str, object]) -> None:
        """Add the norms of a row."""
        if dict in map(type, row.values()):
            row = dict(_flat(row))
        shape = self._shapes.get(names := tuple(row)) or self._shape(names)
        if not shape.norms:
            return
        step = NO_STEP if shape.step is None else whole(row[shape.step])
        needed = step == NO_STEP or any(series.goes_back(step) for _, series in shape.norms)
        epoch = None if shape.epoch is None or not needed else number(row[shape.epoch])
        scale = None if shape.scale is None else number(row[shape.scale])
        for name, series in shape.norms:
            value = row[name]
            norm = value if type(value) is float else number(value)
            if norm is not None:
                series.add(step, norm, scale, epoch)
            elif isinstance(value, str) and value.strip():
                series.miss(value)

    def _shape(self, names: tuple[str, ...]) -> _Shape:
        norms = [(name, series) for name in names if (series := self._into.series(name)) is not None]
        shape = _Shape(norms, first_of(names, STEPS), first_of(names, EPOCHS), first_of(names, SCALES))
        if len(self._shapes) < _MOST_SHAPES:
            self._shapes[names] = shape
        return shape


def _flat(row: Mapping[str, object], before: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Yield the values of objects in objects, named as `train/grad_norm`."""
    for name, value in row.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _flat(value, f"{before}{name}/", depth + 1)
        else:
            yield before + name, value
