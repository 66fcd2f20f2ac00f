"""Pack the tensors of a dump as bytes, which all dumps of a series share."""

from collections.abc import Sequence

import numpy as np

from gradclip_cli.engine.memory.packing import packed, unpacked
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.spec_table import Columns, SpecTable
from gradclip_cli.tensors import TensorSpec

_FIELDS = ("name", "shape", "offset", "fortran", "label", "held", "role", "grows", "slot")


def packed_tensors(tensors: Sequence[TensorSpec]) -> bytes:
    """Return the bytes of tensors, of a table as columns."""
    if isinstance(tensors, SpecTable):
        one = tensors.columns
        codes = [np.asarray(part, np.int64) for part in (one.dtype_of, one.shape_of, one.offsets, one.sizes)]
        return packed(["table", list(one.names), one.dtypes, one.shapes], codes)
    dtypes = {dtype: k for k, dtype in enumerate(dict.fromkeys(spec.dtype for spec in tensors))}
    rows = [[dtypes[spec.dtype], *(getattr(spec, name) for name in _FIELDS)] for spec in tensors]
    return packed(["list", list(dtypes), rows])


def unpacked_tensors(data: bytes) -> Sequence[TensorSpec]:
    """Return the tensors; raise one of UNREADABLE for other bytes."""
    (kind, *value), arrays = unpacked(data)
    if kind == "table":
        names, dtypes, shapes = value
        dtype_of, shape_of, offsets, sizes = arrays
        codes = tuple(DType(*one) for one in dtypes), dtype_of.astype(np.int16), tuple(map(tuple, shapes))
        return SpecTable(Columns(names, *codes, shape_of.astype(np.int32), offsets, sizes))
    dtypes = [DType(*one) for one in value[0]]
    return [TensorSpec(name, dtypes[which], tuple(shape), *rest) for which, name, shape, *rest in value[1]]
