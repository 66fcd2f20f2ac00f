"""Make the table of `diff`: the tensors that are not the same, or all of them."""

from collections import Counter

from gradclip_cli.render.tables.grid import Column, Grid, figure
from gradclip_cli.reports.diff import DiffParam, DiffReport
from gradclip_cli.text import plural, printable

_COLUMNS = (
    Column("param", text=True, field="name"),
    Column("status", text=True),
    Column("norm\na", rank=2),
    Column("norm\nb", rank=2),
    Column("norm\nratio", rank=1),
    Column("cosine"),
    Column("max |a-b|", field="max_abs_diff"),
    Column("max |a-b|\n/ |b|", field="max_rel_diff"),
    Column("note", text=True, rank=3),
)


def grids(report: DiffReport, kinds: frozenset[str]) -> list[Grid]:
    """Return one table; it has the tensors that are the same only if `all` is among `kinds`."""
    params = [param for param in report.params if "all" in kinds or param.status != "same"]
    a, b = map(printable, report.inputs)
    total = report.overall._replace(status="")
    records = (row._asdict() for row in (*params, total))
    title = f"{a} (a) and {b} (b): {_summary(report)}"
    return [Grid(title, _COLUMNS, list(map(_row, params)), _row(total), records)]


def _summary(report: DiffReport) -> str:
    """Return how many tensors are not the same, and why, as text."""
    number = Counter(param.status for param in report.params)
    both = number["same"] + number["differs"] + number["reshaped"]
    if report.equal:
        return f"{plural(both, 'tensor')}, all the same"
    parts = [f"{number['differs']:,} of {both:,} tensors differ" if both else "no tensor in both"]
    parts += [f"{number['reshaped']:,} of another shape"] if number["reshaped"] else []
    parts += [f"{number[f'only-{side}']:,} only in {side}" for side in "ab" if number[f"only-{side}"]]
    return ", ".join(parts)


def _row(param: DiffParam) -> tuple[str, ...]:
    norms = figure(param.norm_a), figure(param.norm_b), _near_one(param.norm_ratio)
    apart = figure(param.max_abs_diff), figure(param.max_rel_diff)
    return (printable(param.name), param.status, *norms, _near_one(param.cosine), *apart, _note(param))


def _near_one(value: float | None) -> str:
    """Format a figure with enough digits to tell it from 1.

    >>> _near_one(0.5), _near_one(0.99999997), _near_one(1.0)
    ('0.5', '0.99999997', '1')
    """
    return f"{value:.10g}" if value is not None and abs(abs(value) - 1) < 1e-3 else figure(value)


def _note(param: DiffParam) -> str:
    """Return the shapes and dtypes that are not the same in both dumps, as text."""
    sides = (param.shape_a, param.pieces_a), (param.shape_b, param.pieces_b)
    shapes = [text for shape, pieces in sides if (text := _shape(shape, pieces))]
    dtypes = [dtype for dtype in (param.dtype_a, param.dtype_b) if dtype is not None]
    found = [" -> ".join(texts) for texts in (shapes, dtypes) if len(set(texts)) > 1]
    if param.status in ("only-a", "only-b"):
        found = [*shapes, *dtypes]
    return ", ".join(found)


def _shape(shape: tuple[int, ...] | None, pieces: int) -> str:
    """Format a shape, and the number of pieces of that shape.

    >>> _shape((2, 3), 1), _shape((2, 3), 4), _shape(None, 4), _shape(None, 1)
    ('2x3', '4 pieces of 2x3', '4 pieces', '')
    """
    text = "" if shape is None else "x".join(map(str, shape)) or "scalar"
    return text if pieces < 2 else f"{pieces:,} pieces of {text}" if text else f"{pieces:,} pieces"
