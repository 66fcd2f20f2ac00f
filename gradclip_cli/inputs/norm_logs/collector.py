"""Collect the columns of a log as arrays of numbers, whatever its layout, and make the norms of its steps of them."""

import math
from array import array

import numpy as np

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.norm_logs.base import LogOptions, NormLog, TensorNorms
from gradclip_cli.inputs.norm_logs.names import is_norm, is_plain, matches, tensor_in
from gradclip_cli.inputs.norm_logs.remarks import remarks
from gradclip_cli.inputs.norm_logs.repeats import once_a_step
from gradclip_cli.inputs.norm_logs.series import Series
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable, shortlist

_MOST_OTHERS = 1000
_SHOWN = 8
_OVERFLOW = -1.0
_LONGEST_EXAMPLE = 40


class Collector:
    """The columns of a log, added value by value; `every` is how often the log writes, where it says so itself."""

    def __init__(self, path: str, options: LogOptions = LogOptions()) -> None:  # noqa: B008  # a value that nobody changes
        self.path, self.options = path, options
        self.columns: dict[str, Series] = {}
        self.tensors: dict[str, Series] = {}
        self.others: dict[str, None] = {}
        self.notes: list[Note] = []
        self.every: int | None = None
        self.skipped = 0
        self.bars = 0  # states of a bar of progress that stand there again
        self.lines: int | None = None  # of a text
        self._known: dict[str, Series | None] = {}

    def series(self, name: str) -> Series | None:
        """Return the series of a column to add to; None if it is not of norms, so that nobody asks for it."""
        try:
            return self._known[name]
        except KeyError:
            found = self._known[name] = self._new(name)
            return found

    def begin(self) -> None:
        """Note that another file begins, which goes on with the run or with what was saved of it."""
        for series in (*self.columns.values(), *self.tensors.values()):
            series.begins.add(len(series.steps))

    def _new(self, name: str) -> Series | None:
        wanted = self.options.column
        if is_norm(name) or (is_plain(name) if wanted is None else matches(name, wanted)):
            return self.columns.setdefault(name, Series())
        tensor = tensor_in(name)
        if tensor is not None:
            return self.tensors.setdefault(tensor, Series())
        if len(self.others) < _MOST_OTHERS:
            self.others[name] = None
        return None

    def log(self, kind: str) -> NormLog:
        """Return the norms of the chosen column; raise UsageError where the user has to choose, InputError if there are none."""
        column = self._chosen(kind)
        series, notes = self.columns[column], [*self.notes, *self._unread(column)]
        read = series
        series, said = once_a_step(series, self.path, self.options.repeated)
        series, below = self._without_negative(series)
        series, more = self._unscaled(series)
        tensors, missing = self._tensors_of(series, read)
        every = remarks(self.path, series, self.every, self.skipped)
        return NormLog(
            self.path,
            kind,
            column,
            series.steps if series.has_steps else None,
            series.values,
            tensors,
            tuple(self._candidates()),
            None if series.has_steps else series.epochs,
            series.largest_scale,
            series.digits,
            (*notes, *said, *below, *more, *missing, *every),
        )

    def _unread(self, column: str) -> list[Note]:
        """Note values of the column that are no numbers, and states of bars that count once."""
        series, found = self.columns[column], []
        if series.unread:
            what = f"{plural(series.unread, 'value')} of {column} cannot be told, such as {series.example[:_LONGEST_EXAMPLE]!r}"
            found.append(Note("no-number", f"{self.path}: {what}: left out", series.unread, changes_figures=True))
        if self.bars:
            what = "states of a bar of progress with the norm of the one before count once"
            found.append(Note("bars", f"{self.path}: {what}", self.bars))
        return found

    def _without_negative(self, series: Series) -> tuple[Series, list[Note]]:
        """Count norms of -1 as not finite; raise InputError for others below 0, which are no norms."""
        values = np.frombuffer(series.values)
        overflows = int((values == _OVERFLOW).sum())
        wrong = values[np.isfinite(values) & (values < 0) & (values != _OVERFLOW)]
        if len(wrong):
            what = f"holds a norm of {wrong[0]:g}, and no norm is below 0; name another column with --column"
            raise InputError(what, path=self.path)
        if not overflows:
            return series, []
        found = series.taken(np.arange(len(values)))
        found.values = array("d", np.where(values == _OVERFLOW, math.nan, values).tobytes())
        what = f"{plural(overflows, 'norm')} of -1, as DeepSpeed writes for an overflow: counted as not finite"
        return found, [Note("overflow", f"{self.path}: {what}", overflows, changes_figures=True)]

    def _candidates(self) -> list[str]:
        return [name for name, series in self.columns.items() if series.values]

    def _chosen(self, kind: str) -> str:
        wanted, names = self.options.column, self._candidates()
        if wanted is not None:
            return self._named(wanted, [name for name in names if matches(name, wanted)], kind)
        found = [name for name in names if not is_plain(name)] or names
        if not found:
            raise self._none(kind)
        if len(found) > 1:
            which = ", ".join(map(printable, found[:_SHOWN])) + (", …" if len(found) > _SHOWN else "")
            raise UsageError(f"{printable(self.path)}: several norms; name one with --column: {which}")
        return found[0]

    def _named(self, wanted: str, found: list[str], kind: str) -> str:
        exact = [name for name in found if name == wanted] or [one for one in found if one.lower() == wanted.lower()]
        if len(exact or found) == 1:
            return (exact or found)[0]
        path = printable(self.path)
        if found:
            raise UsageError(f"{path}: several columns end in {wanted!r}; name one with --column: {shortlist(found)}")
        if self.lines is not None:
            raise UsageError(
                f"{path}: no number after {wanted!r} in {plural(self.lines, 'line')}; --column names the word"
            )
        empty = [name for name in self.columns if matches(name, wanted)]
        if empty:
            raise UsageError(f"{path}: the column {printable(empty[0])} holds no number")
        there = shortlist([*self.columns, *self.others])
        raise UsageError(f"{path}: {kind} without a column {wanted!r}; there are {there or 'none'}")

    def _none(self, kind: str) -> InputError:
        for name, series in self.columns.items():
            if series.unread:
                what = f"{kind}, but no value of {name} can be told, such as {series.example[:_LONGEST_EXAMPLE]!r}"
                return InputError(f"{what}; write numbers with a point, and nothing else", path=self.path)
        if self.lines is not None:
            such = "such as `grad norm: 1.5`, `'grad_norm': 1.5` or `norm: 1.5`"
            advice = "name the word before the number with --column"
            return InputError(f"no gradient norm in {plural(self.lines, 'line')}, {such}; {advice}", path=self.path)
        if self.columns:
            return InputError(f"{kind}, but its column {next(iter(self.columns))} holds no number", path=self.path)
        others = shortlist(list(self.others))
        what = f"{kind}, but none of its columns is a gradient norm; name one with --column: {others}"
        return InputError(what if others else f"{kind}, but holds no numbers by step", path=self.path)

    def _unscaled(self, series: Series) -> tuple[Series, list[Note]]:
        """Divide norms by the loss scale that the user names, or note the one that stands beside them."""
        by = self.options.unscale
        if by is None:
            top = series.largest_scale
            if top is None or top == 1:
                return series, []
            what = f"a loss scale of up to {top:g} is logged beside it: if the norms are still multiplied by it"
            return series, [
                Note("loss-scale", f'{self.path}: {what}, give --unscale "loss scale"', changes_figures=True)
            ]
        if isinstance(by, str) and series.largest_scale is None:
            raise UsageError(f"{printable(self.path)}: --unscale {by!r} names nothing that is logged beside the norms")
        scales = series.scales if isinstance(by, str) else None
        missing = scales is not None and (len(scales) < len(series.values) or any(map(math.isnan, scales)))
        if missing:
            raise InputError("has no loss scale beside some of the norms; give --unscale NUMBER", path=self.path)
        return series.divided(scales or by), []  # type: ignore[arg-type]

    def _tensors_of(self, main: Series, read: Series) -> tuple[list[TensorNorms], list[Note]]:
        """Return the norms of tensors at the steps of the whole, and a note on those that cannot be told to belong to any.

        `read` is the whole as it was read; where it was several runs, or several epochs with the same steps, tensors at its steps
        are taken as it is, and others are not.
        """
        found, lost = list[TensorNorms](), list[str]()
        rows: dict[int, int] = {}
        by = self.options.unscale
        for name, series in self.tensors.items():
            if not series.values:
                continue
            if main.parted and series.steps != read.steps:
                lost.append(name)
                continue
            own = once_a_step(series, self.path, self.options.repeated, main)[0]
            own = own if by is None else own.divided(main.scales_at(own) if isinstance(by, str) else by)
            if own.steps == main.steps:
                found.append(TensorNorms(name, own.values))
            elif own.has_steps and main.has_steps:
                rows = rows or {step: k for k, step in enumerate(main.steps)}
                found.append(_aligned(name, own, rows))
            else:
                lost.append(name)
        what = f"norms of {plural(len(lost), 'tensor')} have no step, or others than those of the whole: left out"
        return found, [Note("tensors-left-out", f"{self.path}: {what}", len(lost))] if lost else []


def _aligned(name: str, own: Series, rows: dict[int, int]) -> TensorNorms:
    """Put the norms of a tensor at the steps of the whole; there may be none at some of them."""
    norms, absent = array("d", bytes(8 * len(rows))), bytearray(b"\1" * len(rows))
    for step, value in zip(own.steps, own.values, strict=True):
        row = rows.get(step)
        if row is not None:
            norms[row], absent[row] = value, 0
    return TensorNorms(name, norms, absent)
