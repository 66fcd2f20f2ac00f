"""Follow the blocks of two runs from step to step: when they first differ, and where most."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.diff import rows
from gradclip_cli.commands.diff.pair import ComparedPair
from gradclip_cli.inputs.naming import Naming, natural
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.reports.diff import DiffBlock

Wide = NDArray[np.float64]


class _Worst(NamedTuple):
    """The step at which a block differs most: |a - b| over the smaller norm, infinite if that is not finite.

    `figures` are there the norms in both dumps, their ratio, the cosine and |a - b| over the smaller norm.
    """

    value: float = 0.0
    step: int | None = None
    figures: tuple[float | None, ...] = (None,) * 5


class RunBlocks:
    """The blocks so far, and of each the first step at which it differs and the step at which it differs most."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._block_of: dict[str, str] = {}  # by the name of a tensor
        self._first: dict[str, int | None] = {}
        self._differing: dict[str, set[str]] = {}
        self._worst: dict[str, _Worst] = {}

    def add(self, step: int | None, found: ComparedPair, sums: Wide) -> None:
        """Add a step; `sums` are |a|², |b|², a·b and |a - b|² of its comparisons in order, NaN where they are unknown."""
        self._place(list(found.status))
        for name in found.differing:
            block = self._block_of[name]
            self._first.setdefault(block, step)
            self._differing.setdefault(block, set()).add(name)
        for block, figures in self._figures(found.compared, sums):
            value = math.inf if figures[-1] is None or math.isnan(figures[-1]) else figures[-1]
            if value > self._worst.get(block, _Worst()).value:
                self._worst[block] = _Worst(value, step, figures)

    def rows(self, compared: Mapping[str, Comparison]) -> list[DiffBlock]:
        """Return a row for each block; `compared` holds the tensors in all steps as one vector."""
        blocks: dict[str, list[str]] = {}
        for name, block in self._block_of.items():
            blocks.setdefault(block, []).append(name)
        ordered = {block: blocks[block] for block in sorted(blocks, key=natural)}
        differing = {name for names in self._differing.values() for name in names}
        return [self._row(row) for row in rows.block_rows(ordered, compared, differing)]

    def _row(self, row: DiffBlock) -> DiffBlock:
        worst = self._worst.get(row.block, _Worst())
        a, b, ratio, cosine, apart = worst.figures
        return row._replace(
            first_step=self._first.get(row.block),
            worst_step=worst.step,
            worst_norm_a=a,
            worst_norm_b=b,
            worst_ratio=ratio,
            worst_cosine=cosine,
            worst_rel_diff=apart,
        )

    def _place(self, names: Sequence[str]) -> None:
        if any(name not in self._block_of for name in names):
            for block, members in rows.blocks_of(names, self._naming).items():
                for name in members:
                    self._block_of.setdefault(name, block)

    def _figures(
        self, compared: Mapping[str, Comparison], sums: Wide
    ) -> Iterable[tuple[str, tuple[float | None, ...]]]:
        """Return the norms in both dumps, ratio, cosine and |a - b| over the smaller norm of each block of a step."""
        names = [name for name, one in compared.items() if one.product is not None]
        blocks = list(dict.fromkeys(self._block_of[name] for name in names))
        number = {block: k for k, block in enumerate(blocks)}
        of = [number[self._block_of[name]] if one.product is not None else -1 for name, one in compared.items()]
        floats = np.array(of, np.intp)
        table = sums[floats >= 0]
        if np.isnan(table).any() or any(not (one.distance is None or one.distance.finite) for one in compared.values()):
            return self._one_by_one(compared, blocks)
        square_a, square_b, product, apart = (
            np.bincount(floats[floats >= 0], column, len(blocks)) for column in table.T
        )
        a, b = np.sqrt(square_a), np.sqrt(square_b)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.nan_to_num(np.sqrt(apart) / np.minimum(a, b), nan=0.0, posinf=math.inf)
            found = [a, b, b / a, np.clip(product / a / b, -1, 1), apart]
        figures = zip(*(column.tolist() for column in found), strict=True)
        return zip(blocks, map(_defined, figures), strict=True)

    def _one_by_one(
        self, compared: Mapping[str, Comparison], blocks: Sequence[str]
    ) -> Iterable[tuple[str, tuple[float | None, ...]]]:
        parts: dict[str, list[Comparison]] = {block: [] for block in blocks}
        for name, one in compared.items():
            if one.product is not None:
                parts[self._block_of[name]].append(one)
        for block, some in parts.items():
            found = together(some)
            norms = found.a and found.a.norm, found.b and found.b.norm
            yield block, (*norms, rows.ratio(found.a, found.b), rows.cosine(found), rows.relative(found))


def _defined(figures: tuple[float, ...]) -> tuple[float | None, ...]:
    """Return the figures of a block; None for a ratio or a cosine of a norm that is 0."""
    a, b, ratio, cosine, apart = figures
    return a, b, ratio if a else None, cosine if a and b else None, apart
