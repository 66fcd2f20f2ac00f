"""Find the tensors that have the same values as in the previous dump; compare elements only where their norms agree."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.compare import compare
from gradclip_cli.engine.compared_dump import StoredTensor
from gradclip_cli.engine.measure import NormTypes
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.opened import DumpFile, OpenFile
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.statistics_table import StatsTable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TYPES: NormTypes = (2.0, 1.0)
"""The norm types that must be measured for this comparison."""

_ROUNDING = 1 + 1e-9
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
    alike = list(candidates(before, after, within))
    if not alike:
        return set()
    files: dict[_Files, list[tuple[int, int]]] = {}
    for old, new, own in alike:
        files.setdefault(_Files(before.file_of(old), after.file_of(new), own), []).append((old, new))
    pairs = [(old, new, own.atol, after.name_of(new)) for old, new, own in alike]
    about = "unchanged", within.rtol, pairs, before.row, after.row
    sources = [before.source, after.source]
    changed: list[str] = run.read_again(sources, about, partial(_changed, before, after, files, run), list)
    return {after.name_of(new) for _, new, _ in alike}.difference(changed)


def _changed(
    before: MeasuredDump, after: MeasuredDump, files: Mapping[_Files, Sequence[tuple[int, int]]], run: Run
) -> list[str]:
    """Compare the elements of pairs of tensors; return the names of those that differ."""
    changed = set[str]()
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
    return sorted(changed)


class TensorNorms(NamedTuple):
    """What the comparison takes from the statistics of tensors, arrays of one shape, for whatever tensors they are of."""

    elements: NDArray[np.int64]
    nonfinite: NDArray[np.int64]
    max_abs: Floats
    l2: Floats
    l1: Floats

    @classmethod
    def of(cls, stats: StatsTable) -> "TensorNorms":
        """Take them from a table in which the norms of `TYPES` were measured; the shape is (tensors,)."""
        return cls(stats.elements, stats.nonfinite, stats.max_abs, *(stats.norms(k, p) for k, p in enumerate(TYPES)))


def absolute_tolerances(before: TensorNorms, within: Tolerance) -> Floats:
    """Return the absolute tolerance for each tensor: 0 where it is above most elements, and would call any values the same."""
    return np.where(before.l1 / np.maximum(1, before.elements) > within.atol, within.atol, 0.0)


def may_be_equal(before: TensorNorms, after: TensorNorms, rtol: float, atol: Floats) -> Flags:
    """Return which tensors may have the same values, by norms: |‖b‖ - ‖a‖| is at most ‖b - a‖ (triangle inequality)."""
    size = before.elements
    alike: Flags = (size == after.elements) & (before.nonfinite == 0) & (after.nonfinite == 0) & (before.max_abs > 0)
    with np.errstate(all="ignore"):
        for a, b, ones in (
            (before.max_abs, after.max_abs, np.ones(1)),
            (before.l2, after.l2, np.sqrt(size)),
            (before.l1, after.l1, size),
        ):
            alike &= (np.abs(b - a) <= (atol * ones + rtol * a) * _ROUNDING + 1e-12 * a) | (a == b)
    return alike


def candidates(before: MeasuredDump, after: MeasuredDump, within: Tolerance) -> Iterator[tuple[int, int, Tolerance]]:
    """Yield the pairs of tensors or pieces that may be equal, by index in each dump, with their tolerance."""
    alike = _of_one_shape(before, after)
    left = TensorNorms.of(before.stats.merge_groups([olds for olds, _ in alike], TYPES))
    right = TensorNorms.of(after.stats.merge_groups([indices for _, indices in alike], TYPES))
    atol = absolute_tolerances(left, within)
    for k in np.flatnonzero(may_be_equal(left, right, within.rtol, atol)).tolist():
        own = within._replace(atol=atol.item(k))
        yield from ((a, b, own) for a, b in zip(*alike[k], strict=True))


def _of_one_shape(before: MeasuredDump, after: MeasuredDump) -> list[tuple[Sequence[int], Sequence[int]]]:
    """Return the tensors of the same name and shape in both dumps, by the indices of their pieces."""
    if before.tensors is after.tensors and before.named is after.named:  # of two files with the same header
        return [(indices, indices) for indices in after.named.values()]
    pairs = [(before.named.get(name, []), indices) for name, indices in after.named.items()]
    return [
        (olds, indices)
        for olds, indices in pairs
        if [before.tensors[k].shape for k in olds] == [after.tensors[k].shape for k in indices]
    ]


def _only(opened: OpenFile, file: DumpFile, dump: MeasuredDump, indices: list[int]) -> dict[str, StoredTensor]:
    """Return some tensors of a file, by their names in the series."""
    own = opened.reader.tensors
    scale = dump.stats.scale
    return {dump.name_of(k): StoredTensor(opened.portable, own[k - file.start], scale) for k in indices}
