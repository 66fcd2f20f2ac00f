"""Sums, norms and products of fixed numbers: `make golden` writes what this machine finds, and a test holds it against the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from golden.fixed import stored
from gradclip_cli.numerics import norms, products
from gradclip_cli.numerics.comparison import compare_piece
from gradclip_cli.numerics.comparison import merge as merge_pair
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import (
    BFLOAT16,
    COMPLEX64,
    COMPLEX128,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    FLOATS,
    DType,
)
from gradclip_cli.numerics.measuring import measure_piece
from gradclip_cli.numerics.norms import ClippedSum, SumKinds
from gradclip_cli.numerics.statistics import merge
from gradclip_cli.numerics.workspace import Workspace

FILE = Path(__file__).with_name("sums.json")

SIZES = (1, 3, 130, 8191, 8192, 20_011)
TYPES: SumKinds = (1.0, 2.0, float("inf"), ClippedSum(0.25, squared=False), ClippedSum(0.25, squared=True))
NAMES = ("1", "2", "inf", "clamped", "clamped squares")


class Case(NamedTuple):
    """Elements that are measured, and compared with others of the same kind."""

    dtype: DType
    kind: str
    size: int

    @property
    def name(self) -> str:
        """What the record in the file is called."""
        return f"{self.dtype.name}, {self.kind}, {self.size}"


def cases() -> Iterator[Case]:
    """Yield all dtypes and sizes, and numbers at the ends of the range of float64."""
    for count in SIZES:
        yield from (Case(dtype, "any", count) for dtype in (*FLOATS, COMPLEX64, COMPLEX128))
        yield from (
            Case(dtype, "usual", count) for dtype in (FLOAT64, FLOAT32, FLOAT16, BFLOAT16, COMPLEX64, COMPLEX128)
        )
        yield from (Case(dtype, kind, count) for kind in ("tiny", "huge") for dtype in (FLOAT64, COMPLEX128))


def record(case: Case) -> dict[str, Any]:
    """Measure two tensors; floats are written in hexadecimal, each sum with the power of two that it was scaled by."""
    a, b = (stored(case.size, seed, case.dtype, case.kind) for seed in (10, 20))
    piece = measure_piece(a, case.dtype, TYPES, Workspace())
    stats = merge([piece], TYPES)
    dtypes = case.dtype, case.dtype
    pair = merge_pair([compare_piece(a, b, dtypes, Tolerance(), Workspace())], dtypes)
    if pair.a is None or pair.b is None or pair.product is None:
        raise TypeError(f"{case.name}: not gradients")
    cosine = products.cosine(pair.a, pair.b, pair.product)
    sums = zip(NAMES, piece.exponents, piece.sums, strict=True)
    return {
        "max_abs": stats.max_abs.hex(),
        "blocks": {name: [*map(_scaled, exponents.tolist(), values.tolist())] for name, exponents, values in sums},
        "sums": {name: _scaled(*scaled) for name, scaled in zip(NAMES, stats.sums, strict=True)},
        "norms": {
            name: norms.norm(scaled, float(name)).hex() for name, scaled in zip(NAMES[:3], stats.sums, strict=False)
        },
        "product": _scaled(*pair.product),
        "cosine": cosine if cosine is None else cosine.hex(),
    }


def _scaled(exponent: int, value: float) -> str:
    return f"{value.hex()} * 2^{exponent}" if exponent else value.hex()


def main() -> None:
    """Write the file."""
    lines = (f"{json.dumps(case.name)}: {json.dumps(record(case))}" for case in cases())
    FILE.write_text("{" + ",\n ".join(lines) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
