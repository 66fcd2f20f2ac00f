"""Copy pieces to the output while measuring, so that a dump with nothing above a threshold is read only once.

Pieces are copied unchanged until a group turns out to be above its threshold. The second pass then need not copy again what is
written already and does not change. A wrong guess only costs time: the second pass writes everything that changes.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf, sqrt
from resource import RLIMIT_NOFILE, getrlimit
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.commands.apply.output_dtypes import is_converted, output_type
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.loss_scale import scale_of
from gradclip_cli.numerics import norms
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.spec_table import sizes_of
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.random_access import write_at
from gradclip_cli.storage.staged import Staged
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.tensors import Piece, TensorSpec

if TYPE_CHECKING:
    from gradclip_cli.thresholds.rules import Threshold

_MOST_FILES = 64
"""The most outputs to begin early: they stay open until all dumps are measured, in at most 1/4 of the file descriptors."""

_STOPPED = stat.S_IRWXU

Range = tuple[int, int]


class Shares:
    """What pieces seen so far fill of their thresholds: Σ (norm / threshold)^P; a copy in another process begins anew."""

    def __init__(self) -> None:
        self._filled: dict[tuple[float, int | None], float] = {}
        self.over = False

    def add(self, share: "Share | None") -> bool:
        """Add the share of a piece; return whether any threshold is exceeded by now."""
        if share is not None:
            self._filled[share.key] = self._filled.get(share.key, 0.0) + share.filled
            self.over = self.over or self._filled[share.key] > 1
        return self.over

    def __reduce__(self) -> tuple[type["Shares"], tuple[()]]:
        return Shares, ()


class Share(NamedTuple):
    """What one piece fills of its threshold; `key` is the threshold, and the tensor unless it is for the whole dump."""

    key: tuple[float, int | None]
    filled: float


class ChangeRule(NamedTuple):
    """What pieces tell of whether anything in a file is going to change."""

    plan: ApplyPlan
    layers: Sequence[str]  # of the tensors, if that matters
    scale: float
    sizes: Sequence[int] = ()  # of the tensors, in elements, if that matters

    @classmethod
    def of(cls, plan: ApplyPlan, tensors: Sequence[TensorSpec], scale: float = 1.0) -> "ChangeRule":
        """Take what matters of a plan."""
        names = [spec.name for spec in tensors] if plan.overrides else []
        layers = [place.layer for place in plan.selection.naming.places(names)]
        sizes = sizes_of(tensors) if any(strategy.of_mean for strategy in plan.used) else ()
        return cls(replace(plan, inputs=(), outputs=(), notes=()), layers, scale, sizes)

    def share(self, index: int, piece: PieceStats) -> Share | None:
        """Return what a piece of a tensor fills: of the threshold of the dump, or for smaller groups of this tensor.

        It fills more than all of it where something changes for certain.
        """
        strategy, threshold = self.plan.of_layer(self.layers[index] if self.layers else "")
        if any(piece.counts[2:]):
            return Share((0.0, None), inf)
        if not isinstance(threshold, int | float):
            return None
        if strategy.of_mean:
            threshold *= sqrt(max(1, self.sizes[index]))
        norm, p = self._norm(strategy, piece)
        key = threshold, None if strategy.group is Group.DUMP else index
        if norm > threshold or strategy.group is Group.ELEMENT:
            return Share(key, inf if norm > threshold else 0.0)
        return Share(key, (norm / threshold) ** p)

    def _norm(self, strategy: Strategy, piece: PieceStats) -> tuple[float, float]:
        if strategy.group is Group.ELEMENT:
            return piece.max_abs / self.scale, 1.0
        types = self.plan.norm_types
        which = 0 if strategy.takes_norm else len(types) - 1
        scaled = norms.total_blocks([piece.exponents[which]], [piece.sums[which]], types[which])
        return norms.norm(scaled, types[which], self.scale), types[which]


class Copied(NamedTuple):
    """The range of bytes of a piece that is written, and what the piece fills of its threshold."""

    range: Range
    share: Share | None


class PieceCopier(NamedTuple):
    """Writes pieces to the output where they are measured; each process guesses from its own pieces until one says stop.

    `heeds` is whether the mode of the output says so: some file systems have one mode for all files.
    """

    specs: Sequence[TensorSpec]
    rule: ChangeRule
    shares: Shares
    file: Descriptor
    path: str
    heeds: bool

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> Copied | None:
        """Write a piece, unless what has been seen so far says that its group, or another, is going to change."""
        spec = self.specs[piece.index]
        if self.shares.over or not isinstance(stats, PieceStats) or spec.offset is None:
            return None
        if self.heeds and _is_stopped(self.file.fd):
            return None
        share = self.rule.share(piece.index, stats)
        if self.shares.add(share):
            _stop(self.file.fd)
            return None
        at = spec.position(piece.start)
        write_at(self.file.fd, at, raw.data, self.path)
        return Copied((at, at + raw.size), share)


class EarlyOutput:
    """An output written while its input is measured; `written` holds the byte ranges that are complete."""

    def __init__(self, plan: ApplyPlan, reader: Reader, staged: Staged) -> None:
        self.staged = staged
        self.written: list[Range] = []
        self._shares = Shares()
        rule = ChangeRule.of(plan, reader.tensors, scale_of(plan.selection.unscale, reader.metadata, reader.file.path))
        file, heeds = Descriptor(staged.fd), not _is_stopped(staged.fd)
        copier = PieceCopier(reader.tensors, rule, Shares(), file, staged.target, heeds)
        self.observer = PieceObserver(copier.see, self.take)

    def take(self, piece: Piece, copied: Copied) -> None:
        """Take a range that is written; tell all processes to stop when the pieces of all of them exceed a threshold."""
        self.written.append(copied.range)
        if not self._shares.over and self._shares.add(copied.share):
            _stop(self.staged.fd)


def _stop(fd: int) -> None:
    """Tell all processes that have an output open to copy nothing more to it: by a mode bit, which a complete file loses."""
    with suppress(OSError):  # a file system without modes: what is copied in vain costs time only
        os.fchmod(fd, _STOPPED)


def _is_stopped(fd: int) -> bool:
    return bool(os.fstat(fd).st_mode & stat.S_IXUSR)


class CopyAhead:
    """The outputs that are begun before any decision is made, where that is `wanted`."""

    def __init__(self, plan: ApplyPlan, outputs: Outputs, *, wanted: bool = True) -> None:
        self._plan, self._outputs = plan, outputs
        pairs = [
            pair
            for source, output in zip(plan.inputs, plan.outputs, strict=True)
            if output is not None and not source.layout.accumulate
            for pair in zip(source.files, output.files, strict=True)
        ]
        self._targets = dict(pairs) if wanted and len(pairs) <= _most_files() and _is_settled(plan) else {}
        self._begun: dict[str, EarlyOutput] = {}

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver | None:
        """Begin the output of a file about to be measured, and return its observer; None where a copy is of no use."""
        path = reader.file.path
        target = self._targets.get(path)
        if target is None or not format.copy_keeps_offsets:
            return None
        if self._plan.writing.format_of(path, target, format) is not format:
            return None
        to = output_type(self._plan)
        if to is not None and any(is_converted(spec, to) for spec in reader.tensors):
            return None
        begun = self._begun[path] = EarlyOutput(self._plan, reader, self._outputs.stage(target))
        return begun.observer

    def stage(self, path: str, output: str) -> tuple[Staged, list[Range]]:
        """Return the output of the file at `path`, and the byte ranges that are already written."""
        begun = self._begun.get(path)
        return (begun.staged, begun.written) if begun is not None else (self._outputs.stage(output), [])


def _most_files() -> int:
    most = getrlimit(RLIMIT_NOFILE)[0]
    return min(_MOST_FILES, most // 4) if most > 0 else _MOST_FILES


def _is_settled(plan: ApplyPlan) -> bool:
    """Return whether all thresholds are numbers, and strategies leave what is below them unchanged.

    Pieces do not tell the norms of units.
    """
    rules: list[tuple[Strategy | None, Threshold | None]] = [
        (plan.strategy, plan.threshold),
        *((override.strategy, override.threshold) for override in plan.overrides),
    ]
    return all(
        (strategy is None or strategy.takes_threshold or strategy.group is Group.NONE)
        and (strategy is None or strategy.group is not Group.UNIT)
        and isinstance(threshold, int | float | None)
        for strategy, threshold in rules
    )
