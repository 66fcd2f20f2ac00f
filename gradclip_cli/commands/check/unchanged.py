"""Find the tensors that have the same values as in the previous dump; compare elements only where their norms agree."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from gradclip_cli.engine.compare import compare
from gradclip_cli.engine.compared_dump import StoredTensor
from gradclip_cli.engine.measure import NormTypes
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.opened import DumpFile, OpenFile
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.statistics import TensorStats

TYPES: NormTypes = (2.0, 1.0)
"""The norm types that must be measured for this comparison."""

ROUNDING = 1 + 1e-9
"""What norms may be wrong by, so that equal tensors are never ruled out."""


class _Files(NamedTuple):
    """A file of each dump, and the tolerance for the tensors in them."""

    before: DumpFile
    after: DumpFile
    within: Tolerance


def unchanged(before: MeasuredDump, after: MeasuredDump, within: Tolerance, run: Run) -> set[str]:
    """Return the names of the tensors of `after` that have the same values in `before`; all zeros, or any NaN, do not count.

    All pieces of a tensor must be the same.
    """
    files: dict[_Files, list[tuple[int, int]]] = {}
    names, changed = set(), set()
    for old, new, own in candidates(before, after, within):
        files.setdefault(_Files(before.file_of(old), after.file_of(new), own), []).append((old, new))
        names.add(after.name_of(new))
    for (left, right, own), pairs in files.items():
        with run.reopen(left) as a, run.reopen(right) as b:
            olds, news = (
                _only(a, left, before, [old for old, _ in pairs]),
                _only(b, right, after, [new for _, new in pairs]),
            )
            found = compare(news, olds, own, run.workers)
            a.reader.verify()
            b.reader.verify()
            changed |= {name for name, comparison in found.items() if not comparison.difference.same}
    return names - changed


def may_be_equal(before: TensorStats, after: TensorStats, within: Tolerance) -> bool:
    """Return whether two tensors may have the same values, by norms: |‖b‖ - ‖a‖| is at most ‖b - a‖ (triangle inequality)."""
    if before.elements != after.elements or before.nonfinite or after.nonfinite or not before.max_abs:
        return False
    size = before.elements
    figures = [
        (before.max_abs, after.max_abs, 1.0),
        (before.norm(0, 2.0), after.norm(0, 2.0), math.sqrt(size)),
        (before.norm(1, 1.0), after.norm(1, 1.0), float(size)),
    ]
    return all(
        abs(b - a) <= (within.atol * ones + within.rtol * a) * ROUNDING + 1e-12 * a or a == b for a, b, ones in figures
    )


def candidates(before: MeasuredDump, after: MeasuredDump, within: Tolerance) -> Iterator[tuple[int, int, Tolerance]]:
    """Yield the pairs of tensors or pieces that may be equal, by index in each dump, with their tolerance."""
    pairs = [(before.named.get(name, []), indices) for name, indices in after.named.items()]
    alike = [
        (olds, indices)
        for olds, indices in pairs
        if [before.tensors[k].shape for k in olds] == [after.tensors[k].shape for k in indices]
    ]
    left = before.stats.merge_groups([olds for olds, _ in alike], TYPES)
    right = after.stats.merge_groups([indices for _, indices in alike], TYPES)
    for (olds, indices), old, new in zip(alike, left.values(), right.values(), strict=True):
        # An absolute tolerance above most elements of a tensor would call any values the same.
        mean = old.norm(1, 1.0) / max(1, old.elements)
        own = within if mean > within.atol else within._replace(atol=0.0)
        if may_be_equal(old, new, own):
            yield from ((a, b, own) for a, b in zip(olds, indices, strict=True))


def _only(opened: OpenFile, file: DumpFile, dump: MeasuredDump, indices: list[int]) -> dict[str, StoredTensor]:
    """Return some tensors of a file, by their names in the series."""
    own = opened.reader.tensors
    scale = dump.stats.scale
    return {dump.name_of(k): StoredTensor(opened.portable, own[k - file.start], scale) for k in indices}
