"""How large the elements of a run are: counts of |g| by power of two, for each layer and for each step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Magnitudes(NamedTuple):
    """The elements of some layers or steps by magnitude, a row for each of `names`.

    Column k of `counts` (rows, exponents) counts those of 2^(least + k) <= |g| < 2^(least + k + 1), as they are stored, divided
    by a loss scale if there is one; `zeros` and `nonfinite` (rows) count those that are 0, and those that are NaN or infinite.
    """

    names: Sequence[str]
    least: int
    counts: "NDArray[np.int64]"
    zeros: "NDArray[np.int64]"
    nonfinite: "NDArray[np.int64]"


class ValueReport(NamedTuple):
    """The elements of all dumps by layer, in the order of the series, and by dump, in the order of its steps.

    Both have the same `least` and as many exponents: from the smallest to the largest that any element has. `dtypes` are those
    of the gradients as stored.
    """

    layers: Magnitudes
    steps: Magnitudes
    dtypes: Sequence[str] = ()
