"""Read a run that went well, to hold the norms of another against its own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradclip_cli.checks.base import Baseline, Figures
from gradclip_cli.checks.unlike_baseline import ENOUGH
from gradclip_cli.commands.check.collect import collect, series_figures
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, shortlist


def read_baseline(plan: CheckPlan, run: Run) -> tuple[Baseline, Sequence[Note], list[GradclipError]]:
    """Reduce the baseline to norms, with the selection of the run, but all of its steps; return notes and errors, too."""
    if plan.baseline_logs is not None:
        from gradclip_cli.commands.check.logged import logged_figures  # with all readers of logs
        from gradclip_cli.inputs.norm_logs.joining import join_logs

        joined = join_logs(plan.baseline_logs.paths, plan.baseline_logs.options)
        figures = logged_figures(joined, plan.selection.naming)
        notes, failed = joined.notes, list[GradclipError]()
    else:
        selection = replace(run.selection, steps=None)
        own = Run(selection, run.workers, run.progress)  # what is tied in one run says nothing of the other
        collected = collect(replace(plan, inputs=plan.baseline, rules=(), weights=(), selection=selection), own)
        figures = series_figures(collected, (), plan.selection.naming)
        notes, failed = collected.notes, collected.failed
    columns = {(tensor.layer, tensor.param): column for column, tensor in enumerate(figures.tensors)}
    missing = (figures.elements == 0) & (figures.elements.max(axis=0, initial=0) > 0)
    norms = np.where(missing, np.nan, figures.norms_as_read)
    of_logs = plan.logs is not None or plan.baseline_logs is not None
    whole = figures.dump_norms if of_logs else None
    return Baseline(plan.baseline_name, figures.steps, columns, norms, whole), notes, failed


def notes_on(baseline: Baseline, figures: Figures) -> list[Note]:
    """Note what the baseline cannot tell of a run; raise InputError if it has no tensor of the run."""
    own = [(tensor.layer, tensor.param) for tensor in figures.tensors]
    lacking = [tensor for tensor, place in zip(figures.tensors, own, strict=True) if place not in baseline.columns]
    if baseline.whole is not None and not baseline.columns:
        lacking = []  # a log of the norms of steps, and no more
    elif len(lacking) == len(own) and baseline.whole is None:
        raise InputError("holds no tensor of the run; give a run of the same model", path=baseline.label)
    found = []
    if lacking:
        which = f"{len(lacking):,} of {plural(len(own), 'tensor')} of the run"
        blocks = shortlist(list(dict.fromkeys(tensor.block for tensor in lacking)), 4)
        found.append(Note("baseline", f"{baseline.label}: lacks {which}, which are not compared with it: {blocks}"))
    if len(baseline.steps) < ENOUGH:
        what = f"holds {plural(len(baseline.steps), figures.noun)}, too few for a spread: norms are unlike its own from ten times on"
        found.append(Note("baseline-few", f"{baseline.label}: {what}"))
    return [*found, *_beyond(baseline, figures)]


def _beyond(baseline: Baseline, figures: Figures) -> list[Note]:
    """Note the steps of the run that the baseline does not reach: they are compared with its nearest ones."""
    own, good = ([step for step in some if step is not None] for some in (figures.steps, baseline.steps))
    if len(good) < len(baseline.steps) or len(own) < len(figures.steps):
        what = "dumps without a step are compared with all of its dumps"
        what = what if figures.noun == "dump" else "norms without a step are compared with all of its norms"
        return [Note("baseline-steps", f"{baseline.label}: {what}")]
    beyond = [step for step in own if not min(good) <= step <= max(good)]
    if not beyond:
        return []
    what = f"has steps {min(good)} to {max(good)}; {plural(len(beyond), 'step')} of the run beyond them, up to {max(beyond)}"
    return [Note("baseline-steps", f"{baseline.label}: {what}, are compared with the nearest")]
