"""Make the tables of `diff`: the steps, blocks and tensors that are not the same, or all of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from gradclip_cli.render.tables.grid import Column, Grid, figure, location, near_one, step_number
from gradclip_cli.reports.diff import DiffBlock, DiffParam, DiffReport, DiffStep
from gradclip_cli.text import plural, printable

_NORMS = (
    Column("norm\na", rank=2),
    Column("norm\nb", rank=2),
    Column("norm\nratio", rank=1),
    Column("cosine"),
)
_RELATIVE = Column("|a-b|\n/ norm", field="rel_diff")
_PARAMS = (
    Column("param", text=True, field="name"),
    Column("status", text=True),
    *_NORMS,
    Column("max |a-b|", field="max_abs_diff", rank=2),
    Column("max |a-b|\n/ |b|", field="max_rel_diff", rank=2),
    _RELATIVE,
)
_NOTE = Column("note", text=True, rank=3)
_BLOCKS = (Column("block", text=True), Column("tensors", rank=1), Column("differing"), *_NORMS, _RELATIVE)
_STEPS = (Column("step"), Column("status", text=True), Column("differing"), *_NORMS, _RELATIVE)
_INPUTS = Column("a", text=True, rank=3, field="input_a"), Column("b", text=True, rank=3, field="input_b")
_FIRST, _WORST = Column("first\nstep", rank=1), Column("worst\nstep", rank=1)


def grids(report: DiffReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the tables of the given kinds; they have what is the same only if `all` is among `kinds`."""
    whole, found = "all" in kinds, []
    a, b = map(printable, report.inputs)
    if "step" in kinds and report.steps is not None:
        steps = [step for step in report.steps if whole or not step.equal]
        title = f"{a} (a) and {b} (b): {_summary_of_steps(report.steps)}"
        found.append(
            Grid(title, (*_STEPS, *_INPUTS), list(map(_step, steps)), None, _records(steps), _scope(report, "step"))
        )
    if "block" in kinds and report.blocks is not None:
        blocks = [block for block in report.blocks if whole or block.differing]
        columns = (*_BLOCKS, _FIRST, _WORST) if report.steps is not None else _BLOCKS
        rows = [_block(block)[: len(columns)] for block in blocks]
        title = "blocks" if report.steps is None else "blocks, all steps as one"
        found.append(Grid(title, columns, rows, None, _records(blocks), _scope(report, "block")))
    if "param" in kinds:
        found.append(_params(report, whole))
    return found


def _scope(report: DiffReport, kind: str) -> str:
    return kind if kind in report.scopes else ""


def _records(rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
    return (row._asdict() for row in rows)


def _params(report: DiffReport, whole: bool) -> Grid:
    params = [param for param in report.params if whole or param.status != "same"]
    a, b = map(printable, report.inputs)
    total = report.overall._replace(status="")
    of_runs = report.steps is not None
    columns = (*_PARAMS, _FIRST, _NOTE) if of_runs else (*_PARAMS, _NOTE)
    rows = [_param(param, of_runs) for param in params]
    what = "tensors" if report.source is None else "norms"
    title = f"{what}, all steps as one" if of_runs else f"{a} (a) and {b} (b)"
    title = f"{title}: {summary(report)}"
    return Grid(title, columns, rows, _param(total, of_runs), _records([*params, total]), _scope(report, "param"))


def _summary_of_steps(steps: Sequence[DiffStep]) -> str:
    number = Counter(step.status for step in steps)
    both = number["same"] + number["differs"]
    parts = [f"{number['differs']:,} of {plural(both, 'step')} differ"]
    parts += [f"{number[f'only-{side}']:,} only in {side}" for side in "ab" if number[f"only-{side}"]]
    return ", ".join(parts)


def summary(report: DiffReport) -> str:
    """Return how many tensors are not the same, and why, as text."""
    number = Counter(param.status for param in report.params)
    both = number["same"] + number["differs"] + number["reshaped"]
    noun = "tensor" if report.source is None else "norm"
    if both == number["same"] == len(report.params):
        return f"{plural(both, noun)}, all the same"
    parts = [f"{number['differs']:,} of {both:,} {noun}s differ" if both else f"no {noun} in both"]
    parts += [f"{number['reshaped']:,} of another shape"] if number["reshaped"] else []
    parts += [f"{number[f'only-{side}']:,} only in {side}" for side in "ab" if number[f"only-{side}"]]
    return ", ".join(parts)


def _param(param: DiffParam, of_runs: bool) -> tuple[str, ...]:
    apart = figure(param.max_abs_diff), figure(param.max_rel_diff), figure(param.rel_diff)
    first = (step_number(param.first_step),) if of_runs else ()
    return (printable(param.name), param.status, *_figures(param), *apart, *first, difference_of_form(param))


def _block(block: DiffBlock) -> tuple[str, ...]:
    counts = f"{block.tensors:,}", f"{block.differing:,}"
    times = step_number(block.first_step), step_number(block.worst_step)
    return (printable(block.block), *counts, *_figures(block), figure(block.rel_diff), *times)


def _step(step: DiffStep) -> tuple[str, ...]:
    differing = "-" if step.differing is None else f"{step.differing:,}"
    inputs = ("-" if path is None else location(path) for path in (step.input_a, step.input_b))
    name = printable(step.label) or "-"
    return (name, step.status, differing, *_figures(step), figure(step.rel_diff), *inputs)


def _figures(row: DiffParam | DiffBlock | DiffStep) -> tuple[str, ...]:
    return figure(row.norm_a), figure(row.norm_b), near_one(row.norm_ratio), near_one(row.cosine)


def difference_of_form(param: DiffParam) -> str:
    """Return the shapes and dtypes that are not the same in both dumps, as text; all of them if only one dump has the tensor."""
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
