"""Series of small dumps that the tests of engine measure."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.source import DumpSource

SUMS = (2.0,)


def written(folder: Path, count: int, width: int = 3) -> list[DumpSource]:
    """Write dumps of two small tensors: all elements of dump k are k + 1 and -2 (k + 1)."""
    found = []
    for k in range(count):
        value = np.float32(k + 1)
        save_file({"a": np.full((2, width), value), "b": np.full(5, -2 * value)}, folder / f"step_{k}.safetensors")
        found.append(single(str(folder / f"step_{k}.safetensors")))
    return found


def squares(dump: MeasuredDump) -> float:
    """The sum of the squares of all elements."""
    return dump.stats.total(SUMS).sums[0][1]
