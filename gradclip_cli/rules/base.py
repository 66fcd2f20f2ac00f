"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.rules.figures import Figures, Mask
from gradclip_cli.rules.limits import Limits


class Found(NamedTuple):
    """One thing that is wrong: the dumps where it shows, of which the first is meant by the other fields.

    It is of a tensor (its column), of a layer, or of the dump as a whole.
    """

    dumps: Sequence[int]
    value: float
    limit: float
    message: str
    tensor: int | None = None
    layer: str | None = None


Rule = Callable[[Figures, Limits], Iterable[Found]]


def places(wrong: Mask) -> list[tuple[list[int], int]]:
    """Return for each column with any True the rows where it is and the column; the earliest first."""
    columns = np.flatnonzero(wrong.any(axis=0)).tolist()
    return sorted(((np.flatnonzero(wrong[:, k]).tolist(), k) for k in columns), key=lambda pair: (pair[0][0], pair[1]))


def percent(share: float) -> str:
    """Write a share so that it is never rounded to all or nothing.

    >>> percent(0.99951), percent(1.0), percent(0.5), percent(0.0000123)
    ('99.95 %', '100 %', '50 %', '0.00123 %')
    """
    digits = f"{100 * share:.4g}" if share > 0.001 else f"{100 * share:.3g}"
    return f"{'> 99.99' if digits == '100' and share < 1 else digits} %"
