"""Copy pieces to the output while measuring, so that a dump with nothing above a threshold is read only once.

Pieces are copied unchanged until a group turns out to be above its threshold. The second pass then need not copy again what is
written already and does not change. A wrong guess only costs time: the second pass writes everything that changes.
"""

from collections.abc import Sequence
from resource import RLIMIT_NOFILE, getrlimit
from typing import TYPE_CHECKING

from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.loss_scale import scale_of
from gradclip_cli.numerics import norms
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_table import StatsArrays
from gradclip_cli.storage.atomic import Outputs, Staged
from gradclip_cli.storage.random_access import write_at
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.tensors import Piece, TensorSpec

if TYPE_CHECKING:
    from gradclip_cli.thresholds.rules import Threshold

_MOST_FILES = 64
"""The most outputs to begin early: they stay open until all dumps are measured, in at most 1/4 of the file descriptors."""

Range = tuple[int, int]


class ChangeGuess:
    """Guess from the pieces seen so far whether anything in a file is going to change."""

    def __init__(self, plan: ApplyPlan, tensors: Sequence[TensorSpec], scale: float = 1.0) -> None:
        self._plan, self._scale = plan, scale
        self._layers: list[str] = []
        if plan.overrides:
            self._layers = [place.layer for place in plan.selection.naming.places([spec.name for spec in tensors])]
        self._filled: dict[tuple[float, int | None], float] = {}  # Σ (norm / threshold)^P, by threshold and tensor
        self.changes = False

    def add(self, index: int, piece: PieceStats) -> None:
        """Update the guess with a piece of a tensor."""
        self.changes = self.changes or any(piece.counts[2:]) or self._is_over(index, piece)

    def _is_over(self, index: int, piece: PieceStats) -> bool:
        """Return whether the pieces seen so far exceed the threshold: those of the dump, or for smaller groups of this tensor."""
        strategy, threshold = self._plan.of_layer(self._layers[index] if self._layers else "")
        if not isinstance(threshold, int | float):
            return False
        norm, p = self._norm(strategy, piece)
        if norm > threshold or strategy.group is Group.ELEMENT:
            return norm > threshold
        key = threshold, None if strategy.group is Group.DUMP else index
        self._filled[key] = self._filled.get(key, 0.0) + (norm / threshold) ** p
        return self._filled[key] > 1

    def _norm(self, strategy: Strategy, piece: PieceStats) -> tuple[float, float]:
        if strategy.group is Group.ELEMENT:
            return piece.max_abs / self._scale, 1.0
        types = self._plan.norm_types
        which = 0 if strategy.takes_norm else len(types) - 1
        scaled = norms.total_blocks([piece.exponents[which]], [piece.sums[which]], types[which])
        return norms.norm(scaled, types[which], self._scale), types[which]


class EarlyOutput:
    """An output written while its input is measured; `written` holds the byte ranges that are complete."""

    def __init__(self, plan: ApplyPlan, reader: Reader, staged: Staged) -> None:
        self.staged = staged
        self.written: list[Range] = []
        self._tensors = reader.tensors
        scale = scale_of(plan.selection.unscale, reader.metadata, reader.file.path)
        self._guess = ChangeGuess(plan, reader.tensors, scale)

    def observe(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> None:
        """Write a piece, unless what has been seen so far says that its group, or another, is going to change."""
        spec = self._tensors[piece.index]
        if self._guess.changes or not isinstance(stats, PieceStats) or spec.offset is None:
            return
        self._guess.add(piece.index, stats)
        if not self._guess.changes:
            at = spec.position(piece.start)
            write_at(self.staged.fd, at, raw.data, self.staged.target)
            self.written.append((at, at + raw.size))


class CopyAhead:
    """The outputs that are begun before any decision is made."""

    def __init__(self, plan: ApplyPlan, outputs: Outputs) -> None:
        self._plan, self._outputs = plan, outputs
        pairs = [
            pair
            for source, output in zip(plan.inputs, plan.outputs, strict=True)
            if output is not None and not source.layout.accumulate
            for pair in zip(source.files, output.files, strict=True)
        ]
        self._targets = dict(pairs) if len(pairs) <= _most_files() and _is_settled(plan) else {}
        self._begun: dict[str, EarlyOutput] = {}

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver | None:
        """Begin the output of a file about to be measured, and return its observer; None where a copy is of no use."""
        path = reader.file.path
        target = self._targets.get(path)
        if target is None or not format.copy_keeps_offsets or self._plan.format_of(path, target, format) is not format:
            return None
        begun = self._begun[path] = EarlyOutput(self._plan, reader, self._outputs.stage(target))
        return begun.observe

    def stage(self, path: str, output: str) -> tuple[Staged, list[Range]]:
        """Return the output of the file at `path`, and the byte ranges that are already written."""
        begun = self._begun.get(path)
        return (begun.staged, begun.written) if begun is not None else (self._outputs.stage(output), [])


def _most_files() -> int:
    most = getrlimit(RLIMIT_NOFILE)[0]
    return min(_MOST_FILES, most // 4) if most > 0 else _MOST_FILES


def _is_settled(plan: ApplyPlan) -> bool:
    """Return whether all thresholds are numbers, and strategies leave what is below them unchanged."""
    rules: list[tuple[Strategy | None, Threshold | None]] = [
        (plan.strategy, plan.threshold),
        *((override.strategy, override.threshold) for override in plan.overrides),
    ]
    return all(
        (strategy is None or strategy.takes_threshold or strategy.group is Group.NONE)
        and isinstance(threshold, int | float | None)
        for strategy, threshold in rules
    )
