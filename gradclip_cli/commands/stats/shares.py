"""Report the blocks of a single dump by their share of its norm."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.stats.layout import SeriesLayout
from gradclip_cli.commands.stats.rows import block_names
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.places import layers_of
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.reports.stats import BlockShare, StatsSize
from gradclip_cli.spec_table import dtypes_of
from gradclip_cli.thresholds.norm_table import SeriesNorms

Ints = NDArray[np.int64]


def size(layout: SeriesLayout) -> StatsSize:
    """Count what one dump holds; tensors in pieces of different shapes have no known number of values."""
    known = None not in layout.shapes
    counts = Counter(layout.shapes)
    elements = sum(times * math.prod(shape) for shape, times in counts.items() if shape is not None) if known else None
    return StatsSize(len(layout.specs), elements, list(dict.fromkeys(dtype.name for dtype in dtypes_of(layout.specs))))


def other_dtypes(dump: MeasuredDump, selection: Selection) -> dict[str, int]:
    """Count the selected tensors of a dump that are no gradients by their dtypes, such as integers."""
    rest = (dump.tensors[index] for index in dump.left_out)
    numbers = [spec for spec in rest if spec.dtype.kind not in ("float", "complex") and selection.takes(spec.name)]
    return dict(Counter(spec.dtype.name for spec in numbers))


def shares(layout: SeriesLayout, norms: SeriesNorms, naming: Naming, p: float) -> list[BlockShare]:
    """Return the blocks of the only dump, those of the largest norm first, after those that are not finite."""
    names = list(map(str, norms.blocks.groups))
    place = {name: k for k, name in enumerate(names)}
    blocks = block_names(layout.layers, naming)
    block_of = np.array([place[blocks[layer]] for layer in layers_of(layout.places)], np.int64)
    peaks = np.zeros(len(names))
    with np.errstate(invalid="ignore"):  # NaN stays
        np.maximum.at(peaks, block_of, norms.max_abs.norms[0])
    none: Sequence[int | None] = [None] * len(names)
    counts = [none, none] if norms.counts is None else [_sums(block_of, part, len(names)) for part in norms.counts]
    whole, found = norms.total.norms.item(0, 0), norms.blocks.norms[0].tolist()
    rows = [
        BlockShare(name, norm, _share(norm, whole, p), _rms(norm, elements, p), peak, zeros, elements)
        for name, norm, peak, elements, zeros in zip(names, found, peaks.tolist(), *counts, strict=True)
    ]
    return sorted(rows, key=lambda row: -row.norm if math.isfinite(row.norm) else -math.inf)


def _sums(block_of: Ints, values: Ints, blocks: int) -> Sequence[int | None]:
    sums = np.zeros(blocks, np.int64)
    np.add.at(sums, block_of, values)
    found: list[int] = sums.tolist()
    return found


def _share(norm: float, whole: float, p: float) -> float | None:
    if math.isinf(p) or not math.isfinite(norm) or not math.isfinite(whole) or not whole:
        return None
    return math.pow(norm / whole, p)


def _rms(norm: float, elements: int | None, p: float) -> float | None:
    return norm / math.sqrt(elements) if p == 2.0 and elements and math.isfinite(norm) else None
