"""Find the pieces of tensors in a dump of ranks, which do not say where they belong, and count copies among them once."""

from collections.abc import Mapping

from gradclip_cli.engine.copies import Pieces, check_copies, no_copy, stored_as
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.opened import OpenDump, file_of
from gradclip_cli.inputs.patterns import matching


def pieces_by_name(dump: OpenDump, run: Run) -> Pieces:
    """Return the pieces that count of the selected tensors, in the order of the files: of those that --replicated names, the first.

    Raises InputError where the pieces of a tensor that --replicated names are not the same bits.
    """
    found: dict[str, list[int]] = {}
    for index, spec in enumerate(dump.tensors):
        if run.selection.takes(spec.name):
            found.setdefault(spec.name, []).append(index)
    copied = [name for name in matching(found, run.selection.replicated) if len(found[name]) > 1]
    _check({index: found[name][0] for name in copied for index in found[name][1:]}, dump, run)
    return found | {name: found[name][:1] for name in copied}


def _check(copies: Mapping[int, int], dump: OpenDump, run: Run) -> None:
    """Raise InputError where a copy, by index, differs from its original; report the bytes of copies, which are not read again."""
    for copy, original in copies.items():
        if stored_as(dump.tensors[copy]) != stored_as(dump.tensors[original]):
            raise no_copy(copy, original, dump.files, dump.tensors)
    check_copies(copies, dump.files, dump.tensors, run, no_copy)
    for copy in copies:
        run.progress(dump.tensors[copy].nbytes, file_of(dump.files, copy).path)
