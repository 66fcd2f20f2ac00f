"""`diff`: read two dumps once, side by side, and compare their tensors."""

from collections.abc import Mapping

from gradclip_cli.commands.plans import DiffPlan
from gradclip_cli.engine.compare import ComparedDump, StoredTensor, compare, opened, uncompared_norms
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.selection import check_included
from gradclip_cli.notes import merged
from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison
from gradclip_cli.numerics.differences import Tolerance, merge_differences
from gradclip_cli.numerics.norms import total
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.reports.diff import DiffParam, DiffReport

Norms = Mapping[str, L2Norm]


def diff(plan: DiffPlan, run: Run) -> DiffReport:
    """Compare the tensors of two dumps; only measure those that the other dump lacks or has in another shape.

    What counts in no norm is compared without norms.
    """
    with opened(plan.a, run) as a, opened(plan.b, run) as other:
        check_included([*a.tensors, *other.tensors], plan.selection)
        b = other.named_as(a)
        compared = compare(a.tensors, b.tensors, Tolerance(plan.rtol, plan.atol), run.workers, run.progress)
        for name in (a.uncounted | b.uncounted) & compared.keys():
            compared[name] = Comparison(compared[name].difference)
        rest = uncompared_norms(a, compared, run), uncompared_norms(b, compared, run)
        a.verify()
        b.verify()
        found = report(a, b, compared, rest)
        return found._replace(notes=merged([*plan.notes, *found.notes]))


def report(
    a: ComparedDump, b: ComparedDump, compared: Mapping[str, Comparison], rest: tuple[Norms, Norms]
) -> DiffReport:
    """List every tensor of both dumps in natural order; `rest` holds the norms of those that were not compared."""
    names = sorted(a.tensors.keys() | b.tensors.keys(), key=natural)
    params = [_param(name, (a, b), compared.get(name), rest) for name in names]
    equal = all(param.status == "same" for param in params)
    locations = a.source.location, b.source.location
    return DiffReport(equal, params, locations, _overall(compared), merged([*a.notes, *b.notes]))


def _param(
    name: str,
    dumps: tuple[ComparedDump, ComparedDump],
    compared: Comparison | None,
    rest: tuple[Norms, Norms],
) -> DiffParam:
    a, b = (dump.tensors.get(name) for dump in dumps)
    if compared is not None:
        row = _figures(name, "same" if compared.difference.same else "differs", compared)
        if a is not None and a.spec.dtype.kind == "packed" and not compared.difference.same:  # bytes are no numbers
            row = row._replace(max_abs_diff=None, max_rel_diff=None)
    else:
        norm_a, norm_b = (found[name].norm if name in found else None for found in rest)
        row = DiffParam(name, _uncompared(a, b), norm_a, norm_b)
    return row._replace(shape_a=_shape(a), shape_b=_shape(b), dtype_a=_dtype(a), dtype_b=_dtype(b))


def _uncompared(a: StoredTensor | None, b: StoredTensor | None) -> str:
    """Return the status of a tensor that is not compared."""
    if a is None or b is None:
        return "only-b" if a is None else "only-a"
    return "reshaped" if a.spec.shape != b.spec.shape else "differs"


def _figures(name: str, status: str, found: Comparison) -> DiffParam:
    ratio = cosine = None
    if found.a is not None and found.b is not None and found.product is not None:
        ratio, cosine = products.ratio(found.a, found.b), products.cosine(found.a, found.b, found.product)
    return DiffParam(
        name,
        status,
        found.a.norm if found.a is not None else None,
        found.b.norm if found.b is not None else None,
        ratio,
        cosine,
        found.difference.max_abs,
        found.difference.max_rel,
    )


def _overall(compared: Mapping[str, Comparison]) -> DiffParam:
    """Compare all floating-point tensors that are in both dumps, as one vector."""
    floats = [one for one in compared.values() if one.product is not None]
    whole = Comparison(
        merge_differences(one.difference for one in floats),
        products.total([one.a for one in floats if one.a is not None]),
        products.total([one.b for one in floats if one.b is not None]),
        total((one.product for one in floats if one.product is not None), 1.0),
    )
    return _figures("total", "same" if whole.difference.same else "differs", whole)


def _shape(stored: StoredTensor | None) -> tuple[int, ...] | None:
    return stored.spec.shape if stored is not None else None


def _dtype(stored: StoredTensor | None) -> str | None:
    return stored.spec.dtype.name if stored is not None else None
