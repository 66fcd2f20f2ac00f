"""Pack what was measured of a dump as bytes, and make the same measured dumps of them again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.first_nonfinite import FirstNonfinite
from gradclip_cli.engine.memory.packing import packed, unpacked
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.opened import DumpFile
from gradclip_cli.inputs.pieces import PlacedPiece, Whole
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.first_nonfinite import FirstElements
from gradclip_cli.numerics.overall import Overall
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.spec_table import names_of
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.tensors import TensorSpec

_PLAIN = ("step", "non_numeric", "prefix", "outside_steps", "row", "ordered", "stood_out")
"""Fields of a measured dump that JSON holds as they are."""

Arrays = list[NDArray[Any]]


def packed_dumps(dumps: Sequence[MeasuredDump]) -> bytes | None:
    """Return the bytes of the dumps of one source, as they are before copies are settled, but for their tensors.

    None if they do not share their tensors and files.
    """
    first = dumps[0]
    if any(dump.tensors is not first.tensors or dump.files is not first.files for dump in dumps):
        return None
    pool, arrays = _Pool(), Arrays()
    rows = []
    for dump in dumps:
        stats = dump.stats
        arrays += [stats.block.ints, stats.block.floats]
        lists = pool.number(stats.indices), None if dump.members is None else pool.number(dump.members)
        copies = list(dump.copies.items())
        plain = [getattr(dump, name) for name in _PLAIN]
        rows.append([plain, stats.scale, stats.overall, lists, dump.file_notes, copies])
    firsts = first.firsts
    if firsts is not None:
        arrays += [np.stack(firsts.in_file(file.path)) for file in first.files]
    given = first.source.files if any(dump.file_notes for dump in dumps) else None
    wholes = {name: _whole(one) for name, one in first.wholes.items()}
    starts = [file.start for file in first.files]
    return packed([rows, pool.lists, given, starts, firsts is not None, wholes], arrays)


def unpacked_dumps(
    data: bytes, tensors: Sequence[TensorSpec], source: DumpSource, fingerprints: Sequence[Fingerprint], run: Run
) -> list[MeasuredDump] | None:
    """Return the measured dumps of a source; None if they name files by other paths than the source does.

    Raises one of UNREADABLE for other bytes than `packed_dumps` returns.
    """
    (rows, lists, given, starts, has_firsts, wholes), arrays = unpacked(data)
    if given is not None and tuple(given) != source.files:
        return None
    files = _files(source, fingerprints, starts)
    indices = [range(*one[0]) if one and isinstance(one[0], list) else one for one in lists]
    slices = len(rows) if rows[0][0][_PLAIN.index("row")] is not None else None
    shared: dict[str, Any] = {
        "files": files,
        "tensors": tensors,
        "places": run.shared("places", tensors, lambda: run.places(names_of(tensors))),
        "wholes": {name: _whole_of(one) for name, one in wholes.items()},
        "firsts": _firsts(files, tensors, arrays[2 * len(rows) :], slices, run) if has_firsts else None,
    }
    dumps = []
    for row, ints, floats in zip(rows, arrays[::2], arrays[1::2], strict=False):
        plain, scale, (counts, *rest), (measured, members), notes, copies = row
        dump = MeasuredDump(
            source=source,
            stats=StatsTable(indices[measured], StatsArrays(ints, floats), scale, Overall(tuple(counts), *rest)),
            members=None if members is None else indices[members],
            file_notes=[Note(*one) for one in notes],
            copies=dict(copies),
            **dict(zip(_PLAIN, plain, strict=True)),
            **shared,
        )
        dumps.append(dump)
    _share_names(dumps)
    return dumps


def _firsts(
    files: Sequence[DumpFile],
    tensors: Sequence[TensorSpec],
    found: Sequence[NDArray[Any]],
    slices: int | None,
    run: Run,
) -> FirstNonfinite:
    """Return where the elements of files are not finite, in each slice where these are dumps."""
    firsts = FirstNonfinite(run.workers.work, slices=slices is not None)
    stops = [*(file.start for file in files[1:]), len(tensors)]
    for file, stop, one in zip(files, stops, found, strict=True):
        firsts.recall(file.path, tensors[file.start : stop], FirstElements(*one), slices or 1)
    return firsts


class _Pool:
    """Lists of indices, each once: all slices of a file have the same."""

    def __init__(self) -> None:
        self.lists: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Sequence[int]] = []  # so that no other list gets its address

    def number(self, indices: Sequence[int]) -> int:
        """Return the number of a list; a range is kept by its ends."""
        if id(indices) not in self._numbers:
            self._numbers[id(indices)] = len(self.lists)
            self._kept.append(indices)
            self.lists.append(_plain(indices))
        return self._numbers[id(indices)]


def _plain(indices: Sequence[int]) -> list[Any]:
    return [[indices.start, indices.stop]] if isinstance(indices, range) else list(map(int, indices))


def _share_names(dumps: Sequence[MeasuredDump]) -> None:
    """Find the layers and names of slices once: they are the same for all."""
    first = dumps[0]
    if first.row is None or len(dumps) < 2:
        return
    layers, named = first.layers, first.named
    for dump in dumps[1:]:
        dump.__dict__.update(layers=layers, named=named)


def _files(source: DumpSource, fingerprints: Sequence[Fingerprint], starts: Sequence[int]) -> list[DumpFile]:
    pairs = list(zip(source.files, fingerprints, strict=True))
    mode = source.layout.accumulate
    if mode:
        (path, fingerprint), *rest = pairs
        others = tuple(DumpFile(*one, starts[0]) for one in rest)
        return [DumpFile(path, fingerprint, starts[0], others, mode)]
    return [DumpFile(*one, start) for one, start in zip(pairs, starts, strict=True)]


def _whole(one: Whole) -> Any:
    return one.shape, one.pieces, list(one.copies.items())


def _whole_of(found: Any) -> Whole:
    shape, pieces, copies = found
    placed = tuple(PlacedPiece(place, tuple(offsets), tuple(size)) for place, offsets, size in pieces)
    return Whole(tuple(shape), placed, dict(copies))
