"""Rows of named values, as in objects of JSON: the norms in them, with the step, epoch and loss scale beside them."""

from collections.abc import Iterator, Mapping

from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.names import EPOCHS, SCALES, STEPS, first_of, number, whole
from gradclip_cli.inputs.norm_logs.series import NO_STEP, Series

_DEEPEST = 8


class Rows:
    """Adds rows to a collector; columns may differ from row to row."""

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._beside: dict[tuple[str, ...], tuple[str | None, str | None, str | None]] = {}

    def take(self, row: Mapping[str, object]) -> None:
        """Add the norms of a row."""
        row = dict(_flat(row)) if any(type(value) is dict for value in row.values()) else row
        found = list[tuple[Series, float]]()
        for name, value in row.items():
            series = self._into.series(name)
            if series is not None and (norm := number(value)) is not None:
                found.append((series, norm))
        if not found:
            return
        names = tuple(row)
        if names not in self._beside:
            self._beside[names] = tuple(first_of(names, wanted) for wanted in (STEPS, EPOCHS, SCALES))  # type: ignore[assignment]
        step_name, epoch_name, scale_name = self._beside[names]
        step = NO_STEP if step_name is None else whole(row[step_name])
        epoch = None if epoch_name is None or step != NO_STEP else number(row[epoch_name])
        scale = None if scale_name is None else number(row[scale_name])
        for series, norm in found:
            series.add(step, norm, scale, epoch)


def _flat(row: Mapping[str, object], before: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Yield the values of objects in objects, named as `train/grad_norm`."""
    for name, value in row.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _flat(value, f"{before}{name}/", depth + 1)
        else:
            yield before + name, value
