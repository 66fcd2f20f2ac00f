"""See whether tensors that several files hold are the same bits."""

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from gradclip_cli.engine.measure import fetch
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.opened import DumpFile, file_of
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order


def check_copies(copies: Mapping[int, int], files: Sequence[DumpFile], tensors: Sequence[TensorSpec], run: Run) -> None:
    """Raise InputError where a tensor is not the same bits as the one that it is a copy of; both are given by index."""
    found = digests(files, {*copies, *copies.values()}, run)
    for copy, original in copies.items():
        if found[copy] != found[original]:
            path, other = (file_of(files, index).path for index in (copy, original))
            what = f"is not the same as in {os.path.basename(other)}, though it should be a copy of it"
            raise InputError(f"{what}; save both again", path=path, tensor=tensors[copy].name)


def digests(files: Sequence[DumpFile], indices: Iterable[int], run: Run, most: int | None = None) -> dict[int, bytes]:
    """Return the SHA-256 digest of each tensor's elements, or of the first `most`, by index; each file is opened once."""
    import hashlib

    found = {}
    for file, members in groupby(sorted(indices), lambda index: file_of(files, index)):
        with run.reopen(file) as opened:
            for index in members:
                spec, digest = opened.reader.tensors[index - file.start], hashlib.sha256()
                for piece in pieces_in_order(Piece(0, 1, 0, spec.size if most is None else min(most, spec.size)), spec):
                    digest.update(fetch(opened.reader.read, piece, [spec], run.workers.work).data)
                found[index] = digest.digest()
    return found
