"""One tensor that makes up nearly all of a dump."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.rules.base import Found, percent, places
from gradclip_cli.rules.figures import Figures
from gradclip_cli.rules.limits import Limits

MEANING = "a global norm sees nothing else: clip by layer or by tensor, or scale its input"


def find(figures: Figures, limits: Limits) -> Iterator[Found]:
    """Find tensors above `dominated_share` of the squared norm of a finite dump, of which two layers or more are not 0.

    Beside nothing but its own bias, any weight may be as large as it is.
    """
    total = figures.dump_norms[:, None]
    judged = np.isfinite(total) & ((figures.layer_norms > 0).sum(axis=1) > 1)[:, None]
    shares = np.divide(figures.norm, total, out=np.zeros_like(figures.norm), where=judged) ** 2
    for rows, column in places(shares > limits.dominated_share):
        share = float(shares[rows[0], column])
        message = f"{percent(share)} of the squared norm of the dump; {MEANING}"
        yield Found(rows, share, limits.dominated_share, message, column)
