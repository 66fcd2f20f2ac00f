"""Write the page and the figures of a report: all of them, or nothing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from gradclip_cli.commands.report.plan import ReportPlan
from gradclip_cli.errors import OutputError
from gradclip_cli.render.html import PICTURES
from gradclip_cli.render.html.bundling import Scripts, bundling
from gradclip_cli.render.html.drawing import FORMATS, scripts
from gradclip_cli.reports.run import RunReport
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.location_names import real
from gradclip_cli.storage.random_access import write_at
from gradclip_cli.storage.streams import STANDARD, stream_name


def refuse(plan: ReportPlan) -> None:
    """Raise OutputError where an output cannot be written; nothing is read."""
    own = {real(path) for path in plan.paths if path != STANDARD}
    outputs = _outputs(plan)
    for target in _targets(plan):
        outputs.check(target)
        if real(target) in own:
            raise OutputError("is an input; write elsewhere", path=target)


def begun(plan: ReportPlan) -> AbstractContextManager[Scripts]:
    """Begin what is the same for every report, so that it is done while the run is read."""
    return bundling() if plan.wanted.page is not None and not plan.wanted.static else nullcontext(scripts)


def write(plan: ReportPlan, report: RunReport, scripts: Scripts = scripts) -> None:
    """Write a report as the plan says, whole or not at all; `scripts` returns those of a page."""
    if plan.wanted.nothing:
        return
    contents = list(_contents(plan, report, scripts))  # all is drawn before anything is written
    with _outputs(plan) as outputs:
        for target, content in contents:
            staged = outputs.stage(target)
            write_at(staged.fd, 0, content, target)
            outputs.complete(staged)
        outputs.commit()


def _outputs(plan: ReportPlan) -> Outputs:
    return Outputs(plan.wanted.overwrite, plan.wanted.figures)


def _targets(plan: ReportPlan) -> Iterator[str]:
    """Yield the page, and every figure that there may be."""
    if plan.wanted.page is not None:
        yield stream_name(plan.wanted.page, 1)
    if plan.wanted.figures is not None:
        yield from map(plan.wanted.figure, PICTURES)


def _contents(plan: ReportPlan, report: RunReport, scripts: Scripts) -> Iterator[tuple[str, bytes]]:
    from gradclip_cli.render.html.page import figures, page, static_page  # with all pictures

    wanted = plan.wanted
    if wanted.page is not None:
        drawn = static_page(report) if wanted.static else page(report, scripts)
        yield stream_name(wanted.page, 1), drawn.encode(errors="backslashreplace")
    if wanted.figures is not None:
        for name, content in figures(report, wanted.format or FORMATS[0]).items():
            yield wanted.figure(name), content
