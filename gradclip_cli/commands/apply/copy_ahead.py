"""Writing while measuring: where nothing is above its threshold, one reading of a dump is enough.

What is read to be measured goes to the output as it is, until a group is seen to be above its threshold; of what does not
change in the end, what has been written need not be copied again.
"""

from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.measure import Seen
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs import shards
from gradclip_cli.numerics import norms
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.storage.atomic import Outputs, Staged
from gradclip_cli.storage.random_access import write_at
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.tensors import Slab
from gradclip_cli.thresholds import Threshold

_MOST_FILES = 64
"""Outputs that are begun stay open until all dumps are measured; they take at most a quarter of the descriptors."""

Range = tuple[int, int]


class Begun:
    """One output, written while its input is measured; `written` are the bytes that stand there already."""

    def __init__(self, plan: ApplyPlan, reader: Reader, staged: Staged) -> None:
        self.staged = staged
        self.written: list[Range] = []
        self._plan, self._tensors = plan, reader.tensors
        self._layers: list[str] = []
        if plan.overrides:
            self._layers = [
                place.layer for place in plan.selection.naming.places([spec.name for spec in reader.tensors])
            ]
        self._filled: dict[object, float] = {}
        self._over = False

    def see(self, slab: Slab, raw: Raw, piece: PieceStats | None) -> None:
        """Write a piece, unless what has been seen so far says that its group, or another, is going to change."""
        spec = self._tensors[slab.index]
        if self._over or piece is None or spec.offset is None:
            return
        self._over = any(piece.counts[2:]) or self._is_over(slab.index, piece)
        if not self._over:
            at = spec.position(slab.start)
            write_at(self.staged.fd, at, raw.data, self.staged.target)
            self.written.append((at, at + raw.size))

    def _is_over(self, index: int, piece: PieceStats) -> bool:
        """Whether the pieces seen so far are above a threshold; a guess that is wrong only costs time."""
        strategy, threshold = self._plan.of_layer(self._layers[index] if self._layers else "")
        if not isinstance(threshold, int | float):
            return False
        norm, p = self._norm(strategy, piece)
        if norm > threshold or strategy.group is Group.ELEMENT:
            return norm > threshold
        key = threshold if strategy.group is Group.DUMP else (index,)
        self._filled[key] = self._filled.get(key, 0.0) + (norm / threshold) ** p
        return self._filled[key] > 1

    def _norm(self, strategy: Strategy, piece: PieceStats) -> tuple[float, float]:
        if strategy.group is Group.ELEMENT:
            return piece.max_abs, 1.0
        types = self._plan.norm_types
        which = 0 if strategy.takes_norm else len(types) - 1
        power = norms.total_blocks([piece.exponents[which]], [piece.sums[which]], types[which])
        return norms.norm(power, types[which]), types[which]


class Ahead:
    """The outputs that are begun before it is known what they will be."""

    def __init__(self, plan: ApplyPlan, staging: Outputs) -> None:
        self._plan, self._staging = plan, staging
        pairs = [
            pair
            for path, output in zip(plan.inputs, plan.outputs, strict=True)
            if output is not None
            for pair in zip(shards.parts(path), shards.targets(path, output), strict=False)
        ]
        self._targets = dict(pairs) if len(pairs) <= _most_files() and _is_settled(plan) else {}
        self._begun: dict[str, Begun] = {}

    def follow(self, format: Format, reader: Reader) -> Seen | None:
        """Begin the output of a file that is about to be measured, where it could become a copy of it."""
        path = reader.file.path
        target = self._targets.get(path)
        if target is None or not format.keeps_places or self._plan.format_of(path, target, format) is not format:
            return None
        begun = self._begun[path] = Begun(self._plan, reader, self._staging.stage(target))
        return begun.see

    def stage(self, path: str, output: str) -> tuple[Staged, list[Range]]:
        """Return the output of the file at `path`, and which bytes of it stand there already."""
        begun = self._begun.get(path)
        return (begun.staged, begun.written) if begun is not None else (self._staging.stage(output), [])


def _most_files() -> int:
    from resource import RLIMIT_NOFILE, getrlimit

    most = getrlimit(RLIMIT_NOFILE)[0]
    return min(_MOST_FILES, most // 4) if most > 0 else _MOST_FILES


def _is_settled(plan: ApplyPlan) -> bool:
    """Whether what is below its threshold stays as it is, and all thresholds are known."""
    rules: list[tuple[Strategy | None, Threshold | None]] = [
        (plan.strategy, plan.threshold),
        *((override.strategy, override.threshold) for override in plan.overrides),
    ]
    return all(
        (strategy is None or strategy.takes_threshold or strategy.group is Group.NONE)
        and isinstance(threshold, int | float | None)
        for strategy, threshold in rules
    )
