"""Make the rows of the report of `diff` from comparisons."""

import math
from collections.abc import Iterable, Mapping, Sequence

from gradclip_cli.engine.compared_dump import ComparedDump, StoredTensor
from gradclip_cli.inputs.naming import Naming, natural
from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.reports.diff import DiffBlock, DiffParam

SAME, DIFFERS, RESHAPED, ONLY_A, ONLY_B = "same", "differs", "reshaped", "only-a", "only-b"


def status_of(name: str, a: ComparedDump, b: ComparedDump, compared: Comparison | None) -> str:
    """Return the status of a tensor that at least one dump has."""
    if compared is not None:
        return SAME if compared.difference.same else DIFFERS
    left, right = a.pieces_of(name), b.pieces_of(name)
    if not left or not right:
        return ONLY_B if not left else ONLY_A
    return RESHAPED if [one.spec.shape for one in left] != [one.spec.shape for one in right] else DIFFERS


def described(row: DiffParam, a: ComparedDump, b: ComparedDump) -> DiffParam:
    """Add the shapes and dtypes of a tensor in both dumps to its row; elements that are bytes have no differences."""
    left, right = a.pieces_of(row.name), b.pieces_of(row.name)
    if left and left[0].spec.dtype.kind == "packed" and row.status != SAME:
        row = row._replace(max_abs_diff=None, max_rel_diff=None)
    row = row._replace(shape_a=_shape(left), shape_b=_shape(right), dtype_a=_dtype(left), dtype_b=_dtype(right))
    return row if len(left) < 2 and len(right) < 2 else row._replace(pieces_a=len(left), pieces_b=len(right))


def compared_row(name: str, status: str, found: Comparison) -> DiffParam:
    """Return the row of a tensor that was compared."""
    row = measured_row(name, status, found.a, found.b)
    return row._replace(
        cosine=cosine(found),
        max_abs_diff=found.difference.max_abs,
        max_rel_diff=found.difference.max_rel,
        rel_diff=relative(found),
    )


def measured_row(name: str, status: str, a: L2Norm | None, b: L2Norm | None) -> DiffParam:
    """Return the row of a tensor that was not compared: its norms in both dumps, and their ratio."""
    return DiffParam(name, status, a and a.norm, b and b.norm, ratio(a, b))


def ratio(a: L2Norm | None, b: L2Norm | None) -> float | None:
    """Return |b| / |a|; None if one is unknown, zero or not finite."""
    return products.ratio(a, b) if a is not None and b is not None else None


def cosine(found: Comparison) -> float | None:
    """Return the cosine of the angle between two gradients; None if it is not defined."""
    if found.a is None or found.b is None or found.product is None:
        return None
    return products.cosine(found.a, found.b, found.product)


def relative(found: Comparison) -> float | None:
    """Return |a - b| over the smaller of |a| and |b|; infinite if only that is 0, NaN or infinite if |a - b| is.

    None if either is no gradient, or if both have the same elements that are not finite, and others that differ.
    """
    if found.a is None or found.b is None or found.distance is None:
        return None
    distance, norms = found.distance.norm, (found.a.norm, found.b.norm)
    if not distance or not found.distance.finite:
        return distance
    if not all(map(math.isfinite, norms)):
        return None
    return distance / min(norms) if min(norms) else math.inf


def overall(compared: Iterable[Comparison]) -> DiffParam:
    """Compare all floating-point tensors that are in both dumps, as one vector."""
    floats = [one for one in compared if one.product is not None]
    whole = together(floats)
    return compared_row("total", SAME if whole.difference.same else DIFFERS, whole)


def blocks_of(names: Sequence[str], naming: Naming) -> dict[str, list[str]]:
    """Return the names of the tensors of each block, both in natural order."""
    found: dict[str, list[str]] = {}
    for name, place in zip(names, naming.places(names), strict=True):
        found.setdefault(naming.block(place.layer), []).append(name)
    return {block: found[block] for block in sorted(found, key=natural)}


def block_rows(
    blocks: Mapping[str, Sequence[str]], compared: Mapping[str, Comparison], differing: frozenset[str] | set[str]
) -> list[DiffBlock]:
    """Return a row for each block, of the gradients in it that were compared."""
    rows = []
    for block, names in blocks.items():
        floats = [one for name in names if (one := compared.get(name)) is not None and one.product is not None]
        row = DiffBlock(block, len(names), sum(name in differing for name in names))
        rows.append(_with_figures(row, together(floats)) if floats else row)
    return rows


def _with_figures(row: DiffBlock, found: Comparison) -> DiffBlock:
    norms = found.a and found.a.norm, found.b and found.b.norm
    return row._replace(
        norm_a=norms[0],
        norm_b=norms[1],
        norm_ratio=ratio(found.a, found.b),
        cosine=cosine(found),
        rel_diff=relative(found),
    )


def _shape(pieces: Sequence[StoredTensor]) -> tuple[int, ...] | None:
    """Return the shape of a tensor, or of each of its pieces; None if these differ in shape."""
    if len(pieces) == 1:
        return pieces[0].spec.shape
    shapes = {piece.spec.shape for piece in pieces}
    return shapes.pop() if len(shapes) == 1 else None


def _dtype(pieces: Sequence[StoredTensor]) -> str | None:
    """Return the dtype of a tensor; several dtypes of its pieces are listed."""
    if len(pieces) == 1:
        return pieces[0].spec.dtype.name
    return "/".join(dict.fromkeys(piece.spec.dtype.name for piece in pieces)) or None
