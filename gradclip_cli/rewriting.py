"""One dump from its input to its output."""

from collections.abc import Sequence

from gradclip_cli.atomic import Outputs
from gradclip_cli.dumps import Dump, Progress, open_dump
from gradclip_cli.errors import InputError
from gradclip_cli.formats import by_name, by_suffix
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.groups import Decision, Shared
from gradclip_cli.plan import ApplyPlan, norm_types
from gradclip_cli.transform import After, Transform
from gradclip_cli.workers import Workers


def rewrite(
    dump: Dump,
    output: str | None,
    decisions: Sequence[tuple[Shared, Decision]],
    plan: ApplyPlan,
    workers: Workers,
    staging: Outputs,
    progress: Progress,
) -> tuple[dict[int, After], list[str]]:
    """Write a dump as decided, or only do the arithmetic where there is no output; return what changed, and what was lost."""
    actions = {
        index: decision.action
        for shared, decision in decisions
        for index in shared.members
        if decision.action.touches(dump.stats[index])
    }
    with open_dump(dump.path, plan.selection) as (format, reader):
        if reader.file.fingerprint != dump.fingerprint:
            raise InputError("changed while it was read; wait until it is complete and run again", path=dump.path)
        if output is None:
            after = Transform(reader, None, -1, "", actions, norm_types(plan), workers, progress).run()
            return after, []
        staged = staging.stage(output)
        to = _format_of(output, format, plan)
        if to is format:
            writer, lost = format.rewrite(reader, actions.keys(), staged.fd, output), []
        else:
            writer, lost = to.convert(reader.tensors, staged.fd, output), _lost(reader, output)
        after = Transform(reader, writer, staged.fd, output, actions, norm_types(plan), workers, progress).run()
        writer.finish()
        reader.verify()
        staging.complete(staged)
        return after, [*lost, *writer.notes]


def _format_of(output: str, input_format: Format, plan: ApplyPlan) -> Format:
    """The format to be written: as asked for, or by the suffix of the output, or that of the input."""
    return by_name(plan.output_format) if plan.output_format else by_suffix(output) or input_format


def _lost(reader: Reader, output: str) -> list[str]:
    """What another format cannot hold."""
    return [f"{output}: left out, since its format cannot hold it: {what}" for what in reader.extras()]
