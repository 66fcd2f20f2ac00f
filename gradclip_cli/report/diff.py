"""What `diff` found."""

from typing import NamedTuple


class DiffParam(NamedTuple):
    """One tensor in both dumps; None stands for what is not there, not a gradient, or not defined.

    `norm_ratio` is norm_b / norm_a, None unless both are finite and norm_a is above 0; `cosine` is that of the angle between
    them, None where either is zero or not finite; `max_rel_diff` is the largest |a - b| / |b| over the elements where b is
    not 0, None if there is no such element. Shapes and dtypes are shown in tables only.
    """

    name: str
    status: str
    norm_a: float | None = None
    norm_b: float | None = None
    norm_ratio: float | None = None
    cosine: float | None = None
    max_abs_diff: float | None = None
    max_rel_diff: float | None = None
    shape_a: tuple[int, ...] | None = None
    shape_b: tuple[int, ...] | None = None
    dtype_a: str | None = None
    dtype_b: str | None = None


class DiffReport(NamedTuple):
    """What `diff` found; `overall` is of all gradients that were compared, as one vector."""

    equal: bool
    params: list[DiffParam]
    inputs: tuple[str, str]
    overall: DiffParam
    notes: list[str]
