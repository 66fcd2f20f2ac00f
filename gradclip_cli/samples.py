"""What is kept of a dump once it has been measured."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.report import StatsDump

Row = NDArray[np.float64]


class Sample(NamedTuple):
    """The norms of one dump, one number for each layer and tensor; this is all that is kept of it."""

    dump: StatsDump
    layers: Row
    params: Row
    peaks: Row  # the largest |g| of each tensor
