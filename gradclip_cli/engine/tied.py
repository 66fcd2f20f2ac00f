"""Count tied tensors once: two names of one dump under which the same gradient was saved, such as tied embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradclip_cli.engine.known_ties import KnownTies, Tie
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.same_bits import is_zero, repeated, same_bits
from gradclip_cli.engine.survey import MeasuredDump, counted_without
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.naming import natural
from gradclip_cli.notes import Note
from gradclip_cli.text import printable, shortlist

if TYPE_CHECKING:
    from gradclip_cli.engine.copies import Members


def count_tied(dump: MeasuredDump, run: Run, known: KnownTies | None) -> MeasuredDump:
    """Count tied tensors once where ties are `known`; only note them where not.

    Raises InputError where tensors that were tied in an earlier dump of the series are not in this one.
    """
    ties = _ties(dump, run)
    if known is None:
        # What is NaN everywhere is the same in any two tensors.
        told = [tie for tie in ties if any(dump.stats[index].max_abs for index in dump.named[tie[0]])]
        return replace(dump, copy_notes=[*dump.copy_notes, _twice(dump, told)]) if told else dump
    tied, apart = known.settle(dump.named, ties)
    tie_of = {name: tie for tie in ties for name in tie}
    for name, first in tied.items():
        if first not in tie_of.get(name, ()):
            _check_zero(dump, name, first)
    notes = _once(dump, tied, apart)
    copies = {
        copy: original
        for name, first in tied.items()
        for copy, original in zip(dump.named[name], dump.named[first], strict=True)
    }
    return replace(counted_without(dump, copies), copy_notes=[*dump.copy_notes, *notes])


def count_tied_slices(dumps: Sequence[MeasuredDump], run: Run) -> list[MeasuredDump]:
    """Count tied tensors once in slices of one source, or note them: they are tied if they have the same bits in all slices."""
    which = next((k for k, dump in enumerate(dumps) if repeated(dump)), 0)
    settled = count_tied(dumps[which], run, run.ties)
    if settled is dumps[which]:
        return list(dumps)
    found = [counted_without(dump, settled.copies) for dump in dumps]
    found[which] = settled
    return found


def _ties(dump: MeasuredDump, run: Run) -> list[Tie]:
    """Return the tensors with the same bits that have two axes or more longer than 1.

    Vectors are left out: two biases that are added to each other have equal gradients by nature.
    """
    found = {index for index in repeated(dump) if sum(size > 1 for size in dump.tensors[index].shape) > 1}
    if len(found) < 2:
        return []
    names = dict.fromkeys(dump.tensors[index].name for index in sorted(found))
    tensors: list[Members] = [dump.named[name] for name in names if found.issuperset(dump.named[name])]
    groups = same_bits(dump, [tensors], run)
    return [tuple(sorted((dump.tensors[members[0]].name for members in group), key=_order)) for group in groups]


def _order(name: str) -> tuple[str, str]:
    return natural(name), name


def _check_zero(dump: MeasuredDump, name: str, first: str) -> None:
    """Raise InputError unless both tensors are zero, so that nothing shows whether they are one."""
    one, other = dump.named[name], dump.named[first]
    if [dump.tensors[k].shape for k in one] != [dump.tensors[k].shape for k in other] or not (
        is_zero(dump, one) and is_zero(dump, other)
    ):
        what = f"is not the same as {printable(first)}, which it was tied to in an earlier dump; leave out --tied once"
        raise InputError(what, path=dump.file_of(one[0]).path, tensor=name)


def _twice(dump: MeasuredDump, ties: Sequence[Tie]) -> Note:
    what = f"{_named(ties)} have the same bits, and each counts; give --tied once if they are one tensor"
    return Note("tied-twice", f"{dump.source.location}: {what}", len(ties), changes_figures=True)


def _once(dump: MeasuredDump, tied: Mapping[str, str], apart: Mapping[str, str]) -> list[Note]:
    """Note what counts in no norm, and what counts though it has the same bits as another tensor."""
    found, path = [], dump.source.location
    if tied:
        named = [f"{printable(name)} with {printable(first)}" for name, first in tied.items()]
        found.append(Note("tied-once", f"{path}: counted once: {shortlist(named, 4)}", len(named)))
    if apart:
        what = f"{_named([(first, name) for name, first in apart.items()])} have the same bits here, but not in the first dump"
        found.append(Note("tied-later", f"{path}: {what}, so each counts", len(apart), changes_figures=True))
    return found


def _named(ties: Sequence[Tie]) -> str:
    more = f" (and {len(ties) - 1:,} more)" if len(ties) > 1 else ""
    return " and ".join(map(printable, ties[0])) + more
