"""Find the pieces of tensors in a dump of ranks, which do not say where they belong, and count copies among them once."""

from collections.abc import Mapping, Sequence

from gradclip_cli.engine.copies import digests, no_copy
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.opened import OpenDump, file_of
from gradclip_cli.inputs.patterns import matching

Pieces = dict[str, list[int]]
"""The indices in a dump of the pieces of each tensor, by name and in the order of the files."""


def pieces_by_name(dump: OpenDump, run: Run) -> Pieces:
    """Return the pieces that count of the selected tensors: all, or the first of those that --replicated names.

    Raises InputError where the pieces of a tensor that --replicated names are not the same bits.
    """
    found: Pieces = {}
    for index, spec in enumerate(dump.tensors):
        if run.selection.takes(spec.name):
            found.setdefault(spec.name, []).append(index)
    copied = [name for name in matching(found, run.selection.replicated) if len(found[name]) > 1]
    _check({index: found[name][0] for name in copied for index in found[name][1:]}, dump, run)
    return found | {name: found[name][:1] for name in copied}


def _check(copies: Mapping[int, int], dump: OpenDump, run: Run) -> None:
    """Raise InputError where a copy, by index, differs from its original; report the bytes of copies, which are not read again."""
    for copy, original in copies.items():
        if _kind(dump, copy) != _kind(dump, original):
            raise no_copy(copy, original, dump.files, dump.tensors)
    bits = digests(dump.files, {*copies, *copies.values()}, run)
    for copy, original in copies.items():
        if bits[copy] != bits[original]:
            raise no_copy(copy, original, dump.files, dump.tensors)
        run.progress(dump.tensors[copy].nbytes, file_of(dump.files, copy).path)


def _kind(dump: OpenDump, index: int) -> Sequence[object]:
    spec = dump.tensors[index]
    return spec.shape, spec.dtype, spec.fortran
