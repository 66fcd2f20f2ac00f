"""Read dumps in the shards that PyTorch's distributed checkpoint (DCP) writes with its HuggingFaceStorageWriter.

Each rank writes its pieces of the tensors, and where they begin in the whole tensors, to files of its own.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gradclip_cli.inputs.headers import header_of
from gradclip_cli.inputs.layouts.numbered import Numbered
from gradclip_cli.inputs.listing import siblings
from gradclip_cli.inputs.pieces import SHARDING_KEY, saved_offsets
from gradclip_cli.inputs.source import DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_of
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable

if TYPE_CHECKING:
    from gradclip_cli.inputs.pieces import Shape
    from gradclip_cli.tensors import TensorSpec

_NAME = r"shard-(?P<shard>\d{5,9})-model-\d{5,9}-of-\d{5,9}\.safetensors"


class Dcp(Numbered):
    """All shards in a folder: tensors with the same name are pieces of one, and their metadata says where they belong."""

    in_pieces = True

    def offsets(
        self, file: str, tensors: "Sequence[TensorSpec]", metadata: Mapping[str, str]
    ) -> "Sequence[Shape] | None":
        """Return where each tensor of a file begins in the whole tensor; raise InputError if its metadata does not say so."""
        found = saved_offsets(file, metadata, {spec.name: len(spec.shape) for spec in tensors})
        return [found[spec.name] for spec in tensors]

    def notes(self, file: str, metadata: Mapping[str, str]) -> Sequence[Note]:
        """Return no notes: pieces are put together."""
        return ()

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Accept any names: a rank may hold pieces of some tensors only."""


class DcpFinder:
    """Recognises shards by their names, and by the metadata of the first in their folder; any of them stands for all."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield the dump in each folder once."""
        folders: dict[str, list[int]] = {}
        for position, path in enumerate(paths):
            if _shard(path) is not None:
                folders.setdefault(os.path.dirname(path), []).append(position)
        sets = [
            tuple(path for path in siblings(paths[positions[0]]) if _shard(path) is not None)
            for positions in folders.values()
        ]
        most = max(sets, key=len, default=())
        for positions, files in zip(folders.values(), sets, strict=True):
            header = header_of(files[0]) if files else None
            if files and (
                header is None or SHARDING_KEY in header.metadata
            ):  # what cannot be read is refused when it is opened
                notes = _missing(files) or _fewer(files, most)
                yield FoundDump(DumpSource(files[0], files, DCP, step_of(files[0])), positions, notes)


DCP = Dcp()
FINDER = DcpFinder()


def _fewer(files: Sequence[str], most: Sequence[str]) -> list[Note]:
    """Note a dump of fewer shards than another has: the last may be lost, and nothing in the others tells it."""
    if len(files) == len(most):
        return []
    what = f"{plural(len(files), 'shard')}, and there are {len(most)} of {printable(most[0])}"
    text = f"{files[0]}: {what}; if one is lost, the figures of this dump are too small"
    return [Note("missing-shards", text, len(most) - len(files), changes_figures=True)]


def _shard(path: str) -> int | None:
    """Return the number of a shard; None for other files."""
    name = os.path.basename(path)
    # Most names clearly are of no shard; compile the pattern only for the others.
    found = re.fullmatch(_NAME, name) if name.startswith("shard-") else None
    return None if found is None else int(found["shard"])


def _missing(files: Sequence[str]) -> list[Note]:
    """Note shards whose numbers are skipped: their ranks may have had nothing to write, or their files are lost."""
    numbers = {number for path in files if (number := _shard(path)) is not None}
    lost = sorted(set(range(1, max(numbers, default=0))) - numbers)
    if not lost:
        return []
    what = f"no shard {lost[0]:05d} is beside it; if a file is lost, whole tensors of it are missing from all figures"
    text = f"{files[0]}: {what} ({plural(len(lost), 'number')} skipped)"
    return [Note("missing-shards", text, len(lost), changes_figures=True)]
