"""What several unit tests need: exact norms, raw bytes, and formats driven by hand."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.formats import by_name
from gradclip_cli.formats.base import Options, Writer
from gradclip_cli.formats.opening import opened
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.opened import DumpFile
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import DType, Raw, from_numpy
from gradclip_cli.numerics.measuring import measure_piece
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics import TensorStats, merge
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.storage.random_access import copy_at
from gradclip_cli.tensors import TensorSpec

ORACLES: dict[str, Any] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
}
"""The type that numpy or ml_dtypes has for each of ours."""

PLAIN = Options()
"""What a user who says nothing says about reading."""


def exact_norm(values: Iterable[float], p: float) -> float:
    """Return (Σ|x|^P)^(1/P) to 60 digits, rounded once."""
    sizes = [abs(Decimal(value)) for value in values if value]
    if p == math.inf:
        return float(max(sizes, default=Decimal(0)))
    with localcontext() as context:
        context.prec = 60
        return float(sum(size ** Decimal(p) for size in sizes) ** (1 / Decimal(p)))


def raw_of(array: NDArray[Any]) -> Raw:
    """Return a copy of the bytes of an array, in C order."""
    return np.frombuffer(array.tobytes(), np.uint8).copy()


def gradients(count: int, dtype: str = "float32", seed: int = 0, scale: float = 1.0) -> NDArray[Any]:
    """Return normal numbers of one of our dtypes."""
    return (np.random.default_rng(seed).standard_normal(count) * scale).astype(ORACLES[dtype])


def dump_of(
    arrays: Mapping[str, NDArray[Any]], types: SumKinds = (2.0,), path: str = "dump.npz", step: int | None = None
) -> MeasuredDump:
    """Return a dump of native numpy arrays, as it is known after its first reading."""
    specs = [TensorSpec(name, from_numpy(array.dtype), array.shape) for name, array in arrays.items()]
    stats = {
        k: stats_of(array, spec.dtype, types)
        for k, (array, spec) in enumerate(zip(arrays.values(), specs, strict=True))
        if spec.dtype.is_float
    }
    columns = StatsTable.of(stats, len(types))
    files = [DumpFile(path, Fingerprint(0, 0, 0, 0), 0)]
    return MeasuredDump(single(path), step, files, specs, Naming().places(list(arrays)), columns)


def stats_of(array: NDArray[Any], dtype: DType, types: SumKinds = (2.0,)) -> TensorStats:
    """Measure an array in one piece."""
    return merge([measure_piece(raw_of(array), dtype, types, Workspace())], types)


def read_all(path: Path, options: Options = PLAIN, name: str | None = None) -> dict[str, tuple[TensorSpec, bytes]]:
    """Read every tensor of a dump, each in one go, and let the file be verified."""
    found = {}
    with opened(str(path), options, name) as (_, reader):
        for spec in reader.tensors:
            raw = np.empty(spec.nbytes, np.uint8)
            reader.read(spec, 0, raw)
            found[spec.name] = spec, raw.tobytes()
        reader.verify()
    return found


def rewritten(source: Path, target: Path, changed: Mapping[str, bytes], options: Options = PLAIN) -> None:
    """Write `source` again with other elements in some tensors, all in one go."""
    with opened(str(source), options) as (format, reader), _Descriptor(target) as fd:
        indices = {k for k, spec in enumerate(reader.tensors) if spec.name in changed}
        writer = format.rewrite(reader, indices, fd, str(target))
        for copy in writer.copies:
            copy_at(reader.file, copy.source, fd, copy.target, copy.nbytes, str(target))
        _fill(writer, changed)


def converted(format: str, target: Path, tensors: Sequence[tuple[TensorSpec, bytes]]) -> list[Note]:
    """Write a new file of one format; return the notes of its writer."""
    with _Descriptor(target) as fd:
        writer = by_name(format).convert([spec for spec, _ in tensors], fd, str(target))
        _fill(writer, {spec.name: data for spec, data in tensors})
        return list(writer.notes)


def _fill(writer: Writer, data: Mapping[str, bytes]) -> None:
    for k in sorted(writer.pending):
        spec = writer.tensors[k]
        writer.write(spec, 0, np.frombuffer(data[spec.name], np.uint8))
    writer.finish()


class _Descriptor:
    """A file open for reading and writing, empty at first."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
