"""`stats`: measure a series, keep its norms, and choose thresholds from them."""

from functools import partial

from gradclip_cli.commands.stats.collect import collect
from gradclip_cli.commands.stats.dump_norms import sums_for
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.report import report
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import measure_series, shared_names
from gradclip_cli.inputs.discovery import in_step_order
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.reports.stats import StatsReport


def stats(plan: StatsPlan, run: Run) -> StatsReport:
    """Measure dumps one after the other; of each only its norms are kept."""
    sources, types = [source for source, _ in in_step_order(plan.inputs)], sums_for(plan)
    shared = shared_names(sources, run, plan.keep_going, plan.skip_steps) if plan.allow_missing else None
    collected = collect((partial(measure_series, source, types, run) for source in sources), plan, shared)
    return report(plan, collected, ranks.hint(plan.inputs))
