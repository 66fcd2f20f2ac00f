"""The report of two dumps that were compared."""

from collections.abc import Mapping

from gradclip_cli.engine.compare import Opened, Source
from gradclip_cli.inputs.naming import natural
from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison
from gradclip_cli.numerics.differences import worst
from gradclip_cli.numerics.norms import total
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.reports import DiffParam, DiffReport

Lengths = Mapping[str, L2Norm]


def report(a: Opened, b: Opened, compared: Mapping[str, Comparison], others: tuple[Lengths, Lengths]) -> DiffReport:
    """List every tensor of both dumps in natural order; `others` are the lengths of those that were not compared."""
    names = sorted(a.tensors.keys() | b.tensors.keys(), key=natural)
    params = [_param(name, (a, b), compared.get(name), others) for name in names]
    equal = all(param.status == "same" for param in params)
    return DiffReport(equal, params, (a.path, b.path), _overall(compared), [*a.notes, *b.notes])


def _param(
    name: str, dumps: tuple[Opened, Opened], compared: Comparison | None, others: tuple[Lengths, Lengths]
) -> DiffParam:
    a, b = (dump.tensors.get(name) for dump in dumps)
    if compared is not None:
        row = _figures(name, "same" if compared.difference.same else "differs", compared)
    else:
        norm_a, norm_b = (found[name].norm if name in found else None for found in others)
        row = DiffParam(name, "only-b" if a is None else "only-a" if b is None else "reshaped", norm_a, norm_b)
    return row._replace(shape_a=_shape(a), shape_b=_shape(b), dtype_a=_dtype(a), dtype_b=_dtype(b))


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
    """Compare all gradients that are in both, as one vector."""
    floats = [one for one in compared.values() if one.product is not None]
    whole = Comparison(
        worst(one.difference for one in floats),
        products.total([one.a for one in floats if one.a is not None]),
        products.total([one.b for one in floats if one.b is not None]),
        total((one.product for one in floats if one.product is not None), 1.0),
    )
    return _figures("total", "same" if whole.difference.same else "differs", whole)


def _shape(source: Source | None) -> tuple[int, ...] | None:
    return source.spec.shape if source is not None else None


def _dtype(source: Source | None) -> str | None:
    return source.spec.dtype.name if source is not None else None
