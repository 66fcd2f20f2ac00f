"""The screen of `diff`: whether two dumps or two runs are equal, and if not, where they differ most."""

from collections import Counter
from collections.abc import Iterator

from gradclip_cli.render.screens.diff_runs import of_runs
from gradclip_cli.render.screens.differences import APART, Table, by_difference, listed, relative
from gradclip_cli.render.screens.folding import phrases
from gradclip_cli.render.screens.line import Line, dim, line, strong
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.diff import difference_of_form
from gradclip_cli.render.tables.grid import figure, near_one
from gradclip_cli.reports.diff import DiffParam, DiffReport
from gradclip_cli.text import plural, printable

_MOST = 10
"""The most tensors that are shown."""

_LISTED = 4
"""The most tensors that are named which are not in both dumps in one shape."""


def lines(report: DiffReport, room: Room) -> Iterator[Line]:
    """Yield the answer first: how many tensors differ and by how much; then those that differ most."""
    if report.steps is not None:
        yield from of_runs(report, room)
    elif report.equal:
        yield line(strong(verdict(report)), f": {_size(report)}")
    else:
        yield from _differing(report, room)


def verdict(report: DiffReport) -> str:
    """Say that all is equal, and how closely if the user allows differences."""
    rtol, atol = report.tolerance
    allowed = [f"{name} {value:g}" for name, value in (("rtol", rtol), ("atol", atol)) if value]
    return f"equal within {' and '.join(allowed)}" if allowed else "equal"


def _size(report: DiffReport) -> str:
    most = max((row.max_abs_diff or 0 for row in report.params), default=0)
    apart = f", at most {figure(most)} apart" if most else ""
    return f"{plural(len(report.params), 'tensor')}, {plural(report.elements, 'value')}{apart}"


def _differing(report: DiffReport, room: Room) -> Iterator[Line]:
    a, b = map(printable, report.inputs)
    differing = by_difference([row for row in report.params if row.status == "differs"])
    forms = {difference_of_form(row) for row in differing}
    common = forms.pop() if len(forms) == 1 and len(differing) > 1 else ""  # said once for all
    yield from phrases([f"{a} (a)", f"and {b} (b):"], room, indent=0)
    yield from phrases([*_counts(report), common], room, indent=0, join=", ", style="strong")
    if (total := report.overall).norm_a is not None:
        figures = [f"norm  a {figure(total.norm_a)}", f"b {figure(total.norm_b)}"]
        figures += [f"ratio {near_one(total.norm_ratio)}"] if total.norm_ratio is not None else []
        figures += [f"cosine {near_one(total.cosine)}"] if total.cosine is not None else []
        yield from phrases([*figures, relative(total.rel_diff)], room, 0, "   ")
    most = room.most(_MOST)
    if differing:
        yield ()
        table = Table(room, "tensors that differ most" if len(differing) > most else "tensors that differ")
        for row in differing[:most]:
            table.add(row.name, row, _note(row, common))
        yield from table.lines()
    left = len(differing) - most
    others = [row for row in report.params if row.status in APART]
    if others:
        yield ()
        yield from _apart(others, room)
    if left > 0 or len(others) > _LISTED:
        more = f"{left:,} more: --by param" if left > 0 else "all: --by param"
        yield line(dim(f" {more}, --by block ({len(report.blocks or [])}), -f json"))


def _note(row: DiffParam, common: str) -> str:
    """Say how a tensor without norms differs, and how its form does, unless that is `common` to all."""
    apart = f"max |a-b| {figure(row.max_abs_diff)}" if row.rel_diff is None and row.max_abs_diff is not None else ""
    form = "" if common else difference_of_form(row)
    return ", ".join(filter(None, (apart, form)))


def _counts(report: DiffReport) -> list[str]:
    """Return how many tensors are not the same, and why."""
    number = Counter(param.status for param in report.params)
    both = number["same"] + number["differs"] + number["reshaped"]
    parts = [f"{number['differs']:,} of {plural(both, 'tensor')} differ" if both else "no tensor is in both"]
    parts += [f"{number['reshaped']:,} of another shape"] if number["reshaped"] else []
    parts += [f"{number[f'only-{side}']:,} only in {side}" for side in "ab" if number[f"only-{side}"]]
    return parts


def _apart(rows: list[DiffParam], room: Room) -> Iterator[Line]:
    """Yield a line for each status of tensors that are not in both dumps in one shape."""
    for status, words in APART.items():
        names = [f"{row.name} ({difference_of_form(row)})" for row in rows if row.status == status]
        if names:
            first, *others = listed(names, _LISTED, room, 18)
            yield from phrases([f"{words:<16}  {first}", *others], room, hang=18)
