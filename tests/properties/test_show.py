"""Whatever the bits, `show` counts every element once."""

from typing import Any

import numpy as np
from hypothesis import given
from numpy.typing import NDArray
from support.folders import memory_folder
from support.generated import FLOATS, arrays, few, write

import gradclip_cli


@given(array=arrays(FLOATS))
@few(80)
def test_every_element_is_counted_once(array: NDArray[Any]) -> None:
    """Bins, zeros and what is not finite add up to all elements; extremes and percentiles are in their order."""
    with memory_folder() as folder:
        write(folder / "g.safetensors", {"w": array})
        report = gradclip_cli.show(folder / "g.safetensors", "w")
    values, total, bins = report.values, report.total, report.bins or []
    assert values is not None
    assert values.positive is not None
    assert values.negative is not None
    assert sum(one.count for one in bins) == values.positive + values.negative
    assert values.positive + values.negative + values.zeros + values.nan + values.posinf + values.neginf == array.size
    with np.errstate(invalid="ignore"):
        wide = np.abs(array.astype(np.float64))
    for place, value in ((values.max_at, values.max_abs), (values.min_at, values.min_abs)):
        assert place is None or wide[place.index] == value
    assert values.nan_at is None or np.isnan(wide[values.nan_at.index])
    assert values.inf_at is None or np.isinf(wide[values.inf_at.index])
    assert (values.nan_at is None, values.inf_at is None) == (not total.nan, not total.inf)
    lows = [one.low for one in report.percentiles or []]
    assert lows == sorted(lows)
    for band in report.bands or []:
        assert 0 <= band.lost + band.subnormal + band.overflow <= values.positive + values.negative
