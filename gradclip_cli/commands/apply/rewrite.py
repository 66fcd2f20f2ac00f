"""One dump from its input to its output."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from gradclip_cli.commands.apply.copy_ahead import Ahead
from gradclip_cli.commands.apply.groups import Decision, Shared
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.executors import Executor
from gradclip_cli.engine.rewrite import After, Transform
from gradclip_cli.engine.survey import Dump, Part, Progress, open_dump
from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Reader
from gradclip_cli.inputs import shards
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.random_access import InputFile, copy_at
from gradclip_cli.strategies.actions import KEEP, Action


class Rewriting(NamedTuple):
    """What every file of every dump is rewritten with."""

    plan: ApplyPlan
    workers: Executor
    staging: Outputs
    ahead: Ahead
    progress: Progress


class Decided(NamedTuple):
    """A dump, and what is to be done to each of its groups."""

    dump: Dump
    decisions: Sequence[tuple[Shared, Decision]]

    @property
    def actions(self) -> dict[int, Action]:
        """What is done to each tensor that changes."""
        stats = self.dump.stats
        figures = list(zip(stats.max_abs.tolist(), stats.nan.tolist(), stats.infinite.tolist(), strict=True))
        return {
            index: decision.action
            for shared, decision in self.decisions
            if decision.action is not KEEP
            for index in shared.members
            if decision.action.touches(*figures[stats.row(index)])
        }


def rewrite(
    outputs: Mapping[str, str | None], decided: Sequence[Decided], by: Rewriting
) -> tuple[dict[str, After], dict[str, list[str]]]:
    """Write every input as decided for the dumps in it; return, by input, what changed, and what was lost."""
    after: dict[str, After] = {}
    lost: dict[str, list[str]] = {}
    inside: dict[str, list[Decided]] = {path: [] for path in outputs}
    for one in decided:
        inside[one.dump.path].append(one)
    for path, output in outputs.items():
        actions = {index: action for one in inside[path] for index, action in one.actions.items()}
        after[path], lost[path] = _rewrite(inside[path][0].dump, output, actions, by)
    return after, lost


def _rewrite(dump: Dump, output: str | None, actions: Mapping[int, Action], by: Rewriting) -> tuple[After, list[str]]:
    """Write the files of an input, or only do the arithmetic where there is no output."""
    shards.check_unchanged(dump.path, [part.path for part in dump.parts])
    targets = [None] * len(dump.parts) if output is None else shards.targets(dump.path, output)
    after: list[tuple[int, After]] = []
    notes: list[str] = []
    for part, target in zip(dump.parts, targets, strict=False):
        found, said = _rewrite_file(part, target, actions, by)
        after.append((part.start, found))
        notes += said
    if len(targets) > len(dump.parts):
        _copy_index(dump.path, targets[-1] or "", by.staging)
    return After.concatenate(after), notes


def _rewrite_file(
    part: Part, output: str | None, actions: Mapping[int, Action], by: Rewriting
) -> tuple[After, list[str]]:
    types, plan = by.plan.norm_types, by.plan
    with open_dump(part.path, plan.selection) as (format, reader):
        if reader.file.fingerprint != part.fingerprint:
            raise InputError("changed while it was read; wait until it is complete and run again", path=part.path)
        end = part.start + len(reader.tensors)
        own = {index - part.start: action for index, action in actions.items() if part.start <= index < end}
        if output is None:
            return Transform(reader, None, -1, "", own, types, by.workers, by.progress).run(), []
        staged, written = by.ahead.stage(part.path, output)
        to = plan.format_of(part.path, output, format)
        if to is format:
            writer, lost = format.rewrite(reader, own.keys(), staged.fd, output), []
        else:
            writer, lost = to.convert(reader.tensors, staged.fd, output), _lost(reader, output)
        with closing(writer):
            after = Transform(reader, writer, staged.fd, output, own, types, by.workers, by.progress, written).run()
            writer.finish()
        reader.verify()
        by.staging.complete(staged)
        return after, [*lost, *writer.notes]


def _copy_index(path: str, output: str, staging: Outputs) -> None:
    """Put the index beside the shards that it names: neither their names nor their sizes have changed."""
    with InputFile(path) as file:
        staged = staging.stage(output)
        copy_at(file, 0, staged.fd, 0, file.size, output)
        file.check_unchanged()
        staging.complete(staged)


def _lost(reader: Reader, output: str) -> list[str]:
    """What another format cannot hold."""
    return [f"{output}: left out, since its format cannot hold it: {what}" for what in reader.extras()]
