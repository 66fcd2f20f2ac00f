"""Follow the blocks of two runs from step to step: when they first differ, and where most."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.diff import rows
from gradclip_cli.commands.diff.pair import ComparedPair
from gradclip_cli.inputs.naming import Naming, natural
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.reports.diff import DiffBlock

Wide = NDArray[np.float64]


class RunBlocks:
    """The blocks so far, and of each the first step at which it differs and the step at which it differs most."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._block_of: dict[str, str] = {}  # by the name of a tensor
        self._first: dict[str, int | None] = {}
        self._differing: dict[str, set[str]] = {}
        self._worst: dict[str, tuple[float, int | None]] = {}

    def add(self, step: int | None, found: ComparedPair, sums: Wide) -> None:
        """Add a step; `sums` are |a|², |b|², a·b and |a - b|² of its comparisons in order, NaN where they are unknown."""
        self._place(list(found.status))
        for name in found.differing:
            block = self._block_of[name]
            self._first.setdefault(block, step)
            self._differing.setdefault(block, set()).add(name)
        for block, value in self._relative(found.compared, sums).items():
            if value > self._worst.get(block, (0.0, None))[0]:
                self._worst[block] = value, step

    def rows(self, compared: Mapping[str, Comparison]) -> list[DiffBlock]:
        """Return a row for each block; `compared` holds the tensors in all steps as one vector."""
        blocks: dict[str, list[str]] = {}
        for name, block in self._block_of.items():
            blocks.setdefault(block, []).append(name)
        ordered = {block: blocks[block] for block in sorted(blocks, key=natural)}
        differing = {name for names in self._differing.values() for name in names}
        return [
            row._replace(first_step=self._first.get(row.block), worst_step=self._worst.get(row.block, (0.0, None))[1])
            for row in rows.block_rows(ordered, compared, differing)
        ]

    def _place(self, names: Sequence[str]) -> None:
        if any(name not in self._block_of for name in names):
            for block, members in rows.blocks_of(names, self._naming).items():
                for name in members:
                    self._block_of.setdefault(name, block)

    def _relative(self, compared: Mapping[str, Comparison], sums: Wide) -> dict[str, float]:
        """Return |a - b| over the smaller norm for each block of a step; infinite where that is not finite."""
        names = [name for name, one in compared.items() if one.product is not None]
        blocks = list(dict.fromkeys(self._block_of[name] for name in names))
        number = {block: k for k, block in enumerate(blocks)}
        of = [number[self._block_of[name]] if one.product is not None else -1 for name, one in compared.items()]
        floats = np.array(of, np.intp)
        table = sums[floats >= 0]
        if np.isnan(table).any() or any(not (one.distance is None or one.distance.finite) for one in compared.values()):
            return self._one_by_one(compared, blocks)
        a, b, apart = (np.bincount(floats[floats >= 0], table[:, k], len(blocks)) for k in (0, 1, 3))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.sqrt(np.nan_to_num(apart / np.minimum(a, b), nan=0.0, posinf=math.inf))
        return dict(zip(blocks, found.tolist(), strict=True))

    def _one_by_one(self, compared: Mapping[str, Comparison], blocks: Sequence[str]) -> dict[str, float]:
        parts: dict[str, list[Comparison]] = {block: [] for block in blocks}
        for name, one in compared.items():
            if one.product is not None:
                parts[self._block_of[name]].append(one)
        found = {block: rows.relative(together(some)) for block, some in parts.items()}
        return {block: math.inf if value is None or math.isnan(value) else value for block, value in found.items()}
