"""Convert stored elements to another dtype; what is changed on the way is changed in float64, so that it is rounded once."""

import numpy as np

from gradclip_cli.numerics.dtypes import COMPLEX128, FLOAT64, DType, Raw, decode, encode
from gradclip_cli.numerics.workspace import Workspace


def wide_type(dtype: DType) -> DType:
    """Return the dtype in which elements are changed before they are rounded to another: float64, or complex128."""
    return COMPLEX128 if dtype.is_complex else FLOAT64


def widened(raw: Raw, dtype: DType, work: Workspace) -> Raw:
    """Return elements as float64 or complex128: those of `raw` itself, or a copy in `work.wide`."""
    values = decode(raw, dtype.part, work)
    if values.dtype == np.float64:
        return values.view(np.uint8)
    out = work.wide.take(values.size, np.float64)
    with np.errstate(invalid="ignore"):  # signalling NaN
        np.copyto(out, values)
    return out.view(np.uint8)


def converted(raw: Raw, dtype: DType, to: DType, work: Workspace) -> Raw:
    """Return elements rounded once to nearest even as `to`, in `work.raw_b`; NaN stays NaN, and what is too large is infinite."""
    values = decode(raw, dtype.part, work)
    out = work.raw_b.take(values.size * to.part.itemsize, np.uint8)
    encode(values, to.part, out, work)
    return out
