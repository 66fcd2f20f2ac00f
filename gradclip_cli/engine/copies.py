"""See whether tensors that several files hold are the same bits, and say so."""

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import groupby

from gradclip_cli.engine.reading import fetch
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.opened import DumpFile, file_of
from gradclip_cli.inputs.patterns import options_for
from gradclip_cli.notes import Note
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order
from gradclip_cli.text import shortlist

Members = Sequence[int]
"""A tensor by the indices of its pieces in a dump: mostly of one."""

Pieces = Mapping[str, Members]
"""Tensors by name."""

Refusal = Callable[[int, int, Sequence[DumpFile], Sequence[TensorSpec]], InputError]
"""Returns the error for a tensor that is no copy of another one; both are given by index."""


def stored_as(spec: TensorSpec) -> tuple[Hashable, ...]:
    """Return what two tensors must have in common so that the same elements are the same bits."""
    return spec.shape, spec.dtype, spec.fortran


def broken_copy(copy: int, original: int, files: Sequence[DumpFile], tensors: Sequence[TensorSpec]) -> InputError:
    """Return the error for a tensor that a dump says is a copy of another one."""
    path, other = (file_of(files, index).path for index in (copy, original))
    what = f"is not the same as in {os.path.basename(other)}, though it should be a copy of it; save both again"
    return InputError(what, path=path, tensor=tensors[copy].name)


def no_copy(copy: int, original: int, files: Sequence[DumpFile], tensors: Sequence[TensorSpec]) -> InputError:
    """Return the error for a tensor that only --replicated says is a copy of another one."""
    path, other = (file_of(files, index).path for index in (copy, original))
    what = f"is not the same as in {other}, so it is no copy of it; leave it out of --replicated"
    return InputError(what, path=path, tensor=tensors[copy].name)


def check_copies(
    copies: Mapping[int, int],
    files: Sequence[DumpFile],
    tensors: Sequence[TensorSpec],
    run: Run,
    refusal: Refusal = broken_copy,
) -> None:
    """Raise the error of `refusal` where a tensor has not the bits of the one that `copies` maps it to, by index."""
    found = digests(files, {*copies, *copies.values()}, run)
    for copy, original in copies.items():
        if found[copy] != found[original]:
            raise refusal(copy, original, files, tensors)


def digests(files: Sequence[DumpFile], indices: Iterable[int], run: Run, most: int | None = None) -> dict[int, bytes]:
    """Return the SHA-256 digest of each tensor's elements, or of the first `most`, by index; each file is opened once."""
    import hashlib

    found = {}
    for file, members in groupby(sorted(indices), lambda index: file_of(files, index)):
        with run.reopen(file) as opened:
            for index in members:
                spec, digest = opened.reader.tensors[index - file.start], hashlib.sha256()
                for piece in pieces_in_order(Piece(0, 1, 0, spec.size if most is None else min(most, spec.size))):
                    digest.update(fetch(opened.reader.read, piece, [spec], run.workers.work).data)
                found[index] = digest.digest()
    return found


def with_same_bits(
    groups: Sequence[Sequence[Members]], kind: Callable[[int], Hashable], files: Sequence[DumpFile], run: Run
) -> list[list[Members]]:
    """Split groups of tensors into those of the same kind and bits, piece by piece; leave out what is alone.

    The first elements are read again of those that are of the same `kind`, and all elements of those that agree there.
    """
    kinds = {index: kind(index) for group in groups for members in group for index in members}
    found = _grouped(groups, kinds)
    for most in (BLOCK, None):
        again = [index for group in found for members in group for index in members]
        found = _grouped(found, digests(files, again, run, most))
    return found


def _grouped(groups: Iterable[Sequence[Members]], kinds: Mapping[int, Hashable]) -> list[list[Members]]:
    """Split each group by the kinds of all pieces, and leave out what is alone."""
    found: list[list[Members]] = []
    for group in groups:
        parts: dict[tuple[Hashable, ...], list[Members]] = {}
        for members in group:
            parts.setdefault(tuple([kinds[index] for index in members]), []).append(members)
        found += [part for part in parts.values() if len(part) > 1]
    return found


def replica_notes(path: str, pieces: Pieces, alike: Iterable[Sequence[Members]]) -> list[Note]:
    """Note the tensors of which all ranks, or some of them, hold the same bits.

    `pieces` are the indices of tensors by name, `alike` those of groups of pieces of one tensor with the same bits.
    """
    name_of = {index: name for name, indices in pieces.items() for index in indices}
    most: dict[str, int] = {}
    for group in alike:
        name = name_of[group[0][0]]
        most[name] = max(most.get(name, 0), len(group))
    every = [name for name, size in most.items() if size == len(pieces[name])]
    found = []
    if every:
        option = options_for("--replicated", every, [name for name in pieces if name not in every])
        what = f"the same in all ranks, and counted once for each: {shortlist(every)}; give {option} if they are copies"
        found.append(Note("replicas", f"{path}: {what}", len(every), changes_figures=True))
    if some := [name for name in most if name not in set(every)]:
        what = f"the same in some ranks, and counted once for each: {shortlist(some)}; give one file of each copy if they are"
        found.append(Note("partial-replicas", f"{path}: {what}", len(some), changes_figures=True))
    return found
