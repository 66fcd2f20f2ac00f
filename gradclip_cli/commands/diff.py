"""`diff`: read two dumps once, side by side, and compare their tensors."""

import os
from collections.abc import Mapping, Sequence

from gradclip_cli.commands.plans import DiffPlan
from gradclip_cli.engine.compare_ranks import Norms, compare_dumps
from gradclip_cli.engine.compared_dump import ComparedDump, StoredTensor, opened
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.layouts.ranks import RANKS
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.selection import check_included
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import merged
from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.reports.diff import DiffParam, DiffReport


def diff(plan: DiffPlan, run: Run) -> DiffReport:
    """Compare the tensors of two dumps; only measure those that the other dump lacks or has in another shape.

    What counts in no norm is compared without norms.
    """
    with opened(plan.a, run) as a, opened(plan.b, run) as other:
        if plan.selection.has_names:
            check_included({spec.name for file in (*a.files, *other.files) for spec in file.tensors}, plan.selection)
        b = other.named_as(a)
        compared, rest, copies = compare_dumps(a, b, Tolerance(plan.rtol, plan.atol), run)
        for name in (a.uncounted | b.uncounted) & compared.keys():
            compared[name] = Comparison(compared[name].difference)
        a.verify()
        b.verify()
        found = report(a, b, compared, rest)
        return found._replace(notes=merged([*plan.notes, *found.notes, *copies]))


def report(
    a: ComparedDump, b: ComparedDump, compared: Mapping[str, Comparison], rest: tuple[Norms, Norms]
) -> DiffReport:
    """List every tensor of both dumps in natural order; `rest` holds the norms of those that were not compared."""
    names = sorted(a.tensors.keys() | b.tensors.keys(), key=natural)
    params = [_param(name, (a, b), compared.get(name), rest) for name in names]
    equal = all(param.status == "same" for param in params)
    labels = _label(a.source), _label(b.source)
    overall = _overall(compared) if compared or not names else DiffParam("total", "differs")
    return DiffReport(equal, params, labels, overall, merged([*a.notes, *b.notes]))


def _label(source: DumpSource) -> str:
    """Return the location of a dump; of ranks, how many files are in which directory."""
    if source.layout != RANKS:
        return source.location
    return f"{len(source.files):,} files in {os.path.commonpath(source.files) or '.'}"


def _param(
    name: str,
    dumps: tuple[ComparedDump, ComparedDump],
    compared: Comparison | None,
    rest: tuple[Norms, Norms],
) -> DiffParam:
    a, b = (dump.pieces_of(name) for dump in dumps)
    if compared is not None:
        row = _figures(name, "same" if compared.difference.same else "differs", compared)
        if a and a[0].spec.dtype.kind == "packed" and not compared.difference.same:  # bytes are no numbers
            row = row._replace(max_abs_diff=None, max_rel_diff=None)
    else:
        norm_a, norm_b = (found.get(name) for found in rest)
        row = _norms(name, _uncompared(a, b), norm_a, norm_b)
    row = row._replace(shape_a=_shape(a), shape_b=_shape(b), dtype_a=_dtype(a), dtype_b=_dtype(b))
    return row if len(a) < 2 and len(b) < 2 else row._replace(pieces_a=len(a), pieces_b=len(b))


def _uncompared(a: Sequence[StoredTensor], b: Sequence[StoredTensor]) -> str:
    """Return the status of a tensor, given by its pieces, that is not compared."""
    if not a or not b:
        return "only-b" if not a else "only-a"
    return "reshaped" if [one.spec.shape for one in a] != [one.spec.shape for one in b] else "differs"


def _figures(name: str, status: str, found: Comparison) -> DiffParam:
    cosine = None
    if found.a is not None and found.b is not None and found.product is not None:
        cosine = products.cosine(found.a, found.b, found.product)
    return _norms(name, status, found.a, found.b)._replace(
        cosine=cosine, max_abs_diff=found.difference.max_abs, max_rel_diff=found.difference.max_rel
    )


def _norms(name: str, status: str, a: L2Norm | None, b: L2Norm | None) -> DiffParam:
    """Return a row of the norms in both dumps, and of their ratio."""
    ratio = products.ratio(a, b) if a is not None and b is not None else None
    return DiffParam(name, status, a and a.norm, b and b.norm, ratio)


def _overall(compared: Mapping[str, Comparison]) -> DiffParam:
    """Compare all floating-point tensors that are in both dumps, as one vector."""
    floats = [one for one in compared.values() if one.product is not None]
    whole = together(floats)
    return _figures("total", "same" if whole.difference.same else "differs", whole)


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
