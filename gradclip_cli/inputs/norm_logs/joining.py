"""Join several logs into one series, in the order of their steps, with the steps that the user wants."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.inputs.norm_logs.base import LogOptions, NormLog
from gradclip_cli.inputs.norm_logs.reading import read_log
from gradclip_cli.inputs.ordering import by_step
from gradclip_cli.inputs.repeats import StepPlace, settled
from gradclip_cli.inputs.wanted_steps import WantedSteps
from gradclip_cli.notes import Note
from gradclip_cli.text import printable

Places = NDArray[np.int64]
Norms = NDArray[np.float64]


class JoinedLogs(NamedTuple):
    """Norms of logs in the order of their steps: each row is the norm `at` a place in the log number `log`."""

    logs: Sequence[NormLog]
    log: Places
    at: Places
    notes: Sequence[Note]

    @property
    def column(self) -> str:
        """The columns that are taken."""
        return ", ".join(dict.fromkeys(log.column for log in self.logs))

    @property
    def kind(self) -> str:
        """The kinds of the logs."""
        return ", ".join(dict.fromkeys(log.kind for log in self.logs))

    @property
    def paths(self) -> list[str]:
        """The log of each row."""
        return [self.logs[k].path for k in self.log.tolist()]

    @property
    def steps(self) -> list[int | None]:
        """The step of each row; None where none is logged."""
        found: list[int | None] = [None] * len(self.at)
        for k, rows in self._rows():
            steps = self.logs[k].steps
            if steps is not None:
                for row, at in zip(rows.tolist(), self.at[rows].tolist(), strict=True):
                    found[row] = steps[at]
        return found

    @property
    def names(self) -> list[str | None]:
        """What each row is called that has no step: by its epoch, or else by its place."""
        return [
            _name(self.logs[k], at) if self.logs[k].steps is None else None
            for k, at in zip(self.log.tolist(), self.at.tolist(), strict=True)
        ]

    @property
    def norms(self) -> Norms:
        """The norm of each row."""
        found = np.empty(len(self.at))
        for k, rows in self._rows():
            found[rows] = np.frombuffer(self.logs[k].norms)[self.at[rows]]
        return found

    @property
    def tensors(self) -> list[str]:
        """The names of the tensors and layers whose norms are logged."""
        return list(dict.fromkeys(tensor.name for log in self.logs for tensor in log.tensors))

    def of_tensors(self, names: Sequence[str]) -> tuple[Norms, NDArray[np.bool_]]:
        """Return the norms of tensors (rows × names), and which are absent; what is absent is 0."""
        shape = len(self.at), len(names)
        norms, absent = np.zeros(shape), np.ones(shape, np.bool_)
        column = {name: k for k, name in enumerate(names)}
        for number, rows in self._rows():
            places = self.at[rows]
            for tensor in self.logs[number].tensors:
                gone = np.zeros(len(rows), np.bool_)
                if tensor.absent is not None:
                    gone = np.frombuffer(tensor.absent, np.bool_)[places]
                norms[rows, column[tensor.name]] = np.where(gone, 0.0, np.frombuffer(tensor.norms)[places])
                absent[rows, column[tensor.name]] = gone
        return norms, absent

    def taken(self, rows: "slice | Places") -> "JoinedLogs":
        """Return some of the rows."""
        return self._replace(log=self.log[rows], at=self.at[rows])

    def _rows(self) -> list[tuple[int, Places]]:
        """Return the rows of each log."""
        return [(k, np.flatnonzero(self.log == k)) for k in range(len(self.logs))]


def join_logs(
    paths: Sequence[str],
    options: LogOptions,
    wanted: WantedSteps | None = None,
) -> JoinedLogs:
    """Read logs, join them in the order of their steps, and take the steps that are wanted.

    Raise InputError for what is no log, and UsageError where the user has to choose, or if none of the steps is there.
    """
    logs = [read_log(path, options) for path in paths]
    log = np.repeat(np.arange(len(logs)), [len(one.norms) for one in logs])
    joined = JoinedLogs(logs, log, np.concatenate([np.arange(len(one.norms)) for one in logs]), ())
    notes = [note for one in logs for note in one.notes]
    if len(logs) > 1:
        steps, inside = joined.steps, joined.paths
        every, more = settled(range(len(steps)), lambda row: StepPlace(steps[row], inside[row], True), options.repeated)
        joined = joined.taken(np.array(by_step(every, lambda row: steps[row]), np.int64))
        notes += more
    if wanted is not None:
        steps = joined.steps
        rows = [row for row, step in enumerate(steps) if wanted.takes(step)]
        if not rows:
            raise wanted.refusal(printable(paths[0]), steps)
        joined = joined.taken(np.array(rows, np.int64))
    return joined._replace(notes=notes)


def _name(log: NormLog, at: int) -> str:
    epoch = log.epochs[at] if log.epochs is not None and at < len(log.epochs) else math.nan
    return f"norm {at + 1:,}" + ("" if math.isnan(epoch) else f" (epoch {epoch:g})")
