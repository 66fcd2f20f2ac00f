"""Find the tensors that have the same values in a slice as in the one before; elements are compared where norms agree."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from gradclip_cli.commands.check.unchanged import (
    Flags,
    Floats,
    TensorNorms,
    absolute_tolerances,
    candidates,
    may_be_equal,
)
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.slice_pairs import SlicePairs, SliceRun, same_slices
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.numerics.differences import Tolerance


def unchanged_slices(
    before: MeasuredDump | None, dumps: Sequence[MeasuredDump], within: Tolerance, run: Run
) -> list[set[str]]:
    """Return the names of the tensors of each dump, a slice of one source, that have the same values in the dump before it."""
    first = set[str]() if before is None else _since(before, dumps[0], within, run)
    return [first, *_inside(dumps, within, run)]


def _since(before: MeasuredDump, after: MeasuredDump, within: Tolerance, run: Run) -> set[str]:
    """Compare the last slice of a source with the first of the next one."""
    found = set[str]()
    for old, new, own in candidates(before, after, within):
        sources, about = [before.source, after.source], ("slice", *own, old, new, before.row)
        if run.read_again(sources, about, partial(_is_same, before, after, old, new, own, run), bool):
            found.add(after.name_of(new))
    return found


def _is_same(before: MeasuredDump, after: MeasuredDump, old: int, new: int, within: Tolerance, run: Run) -> bool:
    left, right = before.file_of(old), after.file_of(new)
    with run.reopen(left) as b, run.reopen(right) as a:
        runs = (
            SliceRun(a.portable, a.tensors[new - right.start], 0, after.stats.scale),
            SliceRun(b.portable, b.tensors[old - left.start], before.row or 0, before.stats.scale),
        )
        pairs = SlicePairs(*runs, np.ones(1, np.bool_), within.rtol, np.array([within.atol]))
        return all(same.all() for same in same_slices([pairs], run.workers))


def _inside(dumps: Sequence[MeasuredDump], within: Tolerance, run: Run) -> list[set[str]]:
    """Compare each slice of a source with the one before it; each file is read twice, side by side."""
    if len(dumps) < 2:
        return []
    dump = dumps[0]
    about = "slices", *within, [one.row for one in dumps], list(dump.stats.indices)
    found: list[list[int]] = run.read_again([dump.source], about, partial(_same_inside, dumps, within, run), list)
    return [{dump.name_of(index) for index in some} for some in found]


def _same_inside(dumps: Sequence[MeasuredDump], within: Tolerance, run: Run) -> list[list[int]]:
    """Return the tensors of each slice but the first, by index, that have the same values in the slice before."""
    found = [list[int]() for _ in dumps[1:]]
    dump, indices = dumps[0], dumps[0].stats.indices
    wanted, atol = _alike(dumps, within)
    for file, stop in zip(dump.files, [*(file.start for file in dump.files[1:]), len(dump.tensors)], strict=True):
        columns = [k for k, index in enumerate(indices) if file.start <= index < stop and wanted[:, k].any()]
        if not columns:
            continue
        with run.reopen(file) as a, run.reopen(file) as b:
            pairs = []
            for k in columns:
                at, scale = indices[k] - file.start, dump.stats.scale
                runs = SliceRun(a.portable, a.tensors[at], 1, scale), SliceRun(b.portable, b.tensors[at], 0, scale)
                pairs.append(SlicePairs(*runs, wanted[:, k], within.rtol, atol[:, k]))
            for k, same in zip(columns, same_slices(pairs, run.workers), strict=True):
                for row in np.flatnonzero(same).tolist():
                    found[row].append(indices[k])
            a.reader.verify()
            b.reader.verify()
    return found


def _alike(dumps: Sequence[MeasuredDump], within: Tolerance) -> tuple[Flags, Floats]:
    """Return which tensors may be the same as in the slice before, by their norms, and the absolute tolerance for each.

    Both are of shape (slices - 1, tensors).
    """
    figures = [np.array(arrays) for arrays in zip(*(TensorNorms.of(dump.stats) for dump in dumps), strict=True)]
    before, after = TensorNorms(*(one[:-1] for one in figures)), TensorNorms(*(one[1:] for one in figures))
    atol = absolute_tolerances(before, within)
    return may_be_equal(before, after, within.rtol, atol), atol
