"""Series inside one file: a group for each training step, as in `step100/lstm/kernel`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradclip_cli.engine.executors import Executor
from gradclip_cli.engine.survey import Dump, Follow, Progress, counted_tensors, open_dump, survey
from gradclip_cli.errors import InputError
from gradclip_cli.inputs import shards
from gradclip_cli.inputs.naming import Naming, step_named
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.numerics.norms import SumKinds


def surveyed(
    path: str,
    selection: Selection,
    types: SumKinds,
    workers: Executor,
    progress: Progress,
    follow: Follow | None = None,
) -> list[Dump]:
    """Read an input once and measure it; return its dump, or one for each step that is in it."""
    return split(survey(path, selection, types, workers, progress, follow), selection.naming)


def split(dump: Dump, naming: Naming) -> list[Dump]:
    """Return a dump for each step, in order, where all tensors stand in groups that are named after two steps or more.

    All of them know all tensors of the file, by their names inside the groups, and each counts its own.
    """
    groups = [spec.name.partition("/")[0] for spec in dump.tensors]
    steps = {group: step_named(group) for group in dict.fromkeys(groups)}
    if not any(step is not None for step in steps.values()):
        return [dump]
    odd = [spec.name for spec, group in zip(dump.tensors, groups, strict=True) if steps[group] is None]
    if odd:
        return [replace(dump, beside=odd)] if len(set(steps.values()) - {None}) > 1 else [dump]
    return _divided(dump, groups, steps, naming) if len(steps) > 1 else [dump]


def _divided(dump: Dump, groups: Sequence[str], steps: Mapping[str, int | None], naming: Naming) -> list[Dump]:
    """Return the dump of each step; `groups` are those of its tensors."""
    names = [spec.name.partition("/")[2] for spec in dump.tensors]
    tensors = [replace(spec, name=name) for spec, name in zip(dump.tensors, names, strict=True)]
    places = naming.places(names)
    members: dict[str, list[int]] = {group: [] for group in sorted(steps, key=lambda group: steps[group] or 0)}
    for index, group in enumerate(groups):
        members[group].append(index)
    return [
        replace(
            dump,
            step=steps[group],
            tensors=tensors,
            places=places,
            stats=dump.stats.only(indices),
            others=dump.others if k == 0 else [],
            prefix=f"{group}/",
            members=indices,
        )
        for k, (group, indices) in enumerate(members.items())
    ]


def shared_names(paths: Sequence[str], selection: Selection, keep_going: bool, skip: int = 0) -> set[str]:
    """Return the names that all dumps but the first `skip` have in common, from their headers.

    Of dumps that cannot be read, nothing is asked.
    """
    found: list[set[str] | None] = []
    for path in paths:
        try:
            found += _inside(_counted_names(path, selection))
        except InputError:
            if not keep_going and len(found) >= skip:
                raise
            found.append(None)
    named = [names for names in found[skip:] if names is not None]
    return set.intersection(*named) if named else set()


def _counted_names(path: str, selection: Selection) -> list[str]:
    """Return the names of the tensors of a dump that count, from its headers."""
    names: list[str] = []
    for part in shards.parts(path):
        with open_dump(part, selection) as (_, reader):
            tensors = shards.named(path, part, reader.tensors)
            names += [tensors[index].name for index in counted_tensors(tensors, selection, part)]
    return names


def _inside(names: Sequence[str]) -> list[set[str]]:
    """Return the names of the tensors of each dump in a file, from all names in it, as `split` would."""
    groups: dict[str, set[str]] = {}
    for name in names:
        group, _, rest = name.partition("/")
        groups.setdefault(group, set()).add(rest)
    return list(groups.values()) if len(groups) > 1 and None not in map(step_named, groups) else [set(names)]


def by_step(dumps: list[Dump]) -> list[Dump]:
    """Put dumps in the order of their steps; where any has none, the order stays and no step is named."""
    if any(dump.step is None for dump in dumps):
        return [replace(dump, step=None) for dump in dumps]
    return sorted(dumps, key=lambda dump: dump.step or 0)


def check_taken(dumps: Sequence[Dump], selection: Selection) -> None:
    """Raise where --include was given and matches no tensor of any dump."""
    if selection.include:
        check_included([spec.name for dump in dumps for spec in dump.tensors], selection)
