"""Read several files with the same tensors as one, whose elements are their mean or their sum in float64.

The files are added in their order, element by element, and a mean is divided once, at the end: so the result depends neither
on threads nor on pieces.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Reader
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.dtypes import COMPLEX128, FLOAT64, Raw, decode
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order
from gradclip_cli.text import printable, shortlist


class PortableAccumulation(PortableReader):
    """The reader of several files, which can be pickled."""

    def __init__(self, parts: Sequence[PortableReader], mode: str) -> None:
        super().__init__(parts[0].how)
        self._parts, self._mode = parts, mode
        self._reader: AccumulatedReader | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all files."""
        return tuple(part.path for part in self._parts)

    @property
    def fingerprints(self) -> list[tuple[str, Fingerprint]]:
        """The path and the fingerprint of each file."""
        return [one for part in self._parts for one in part.fingerprints]

    @property
    def has_checksums(self) -> bool:
        """Whether any of the files holds checksums."""
        return any(part.has_checksums for part in self._parts)

    @property
    def reader(self) -> "AccumulatedReader":
        """The reader, made when it is first needed."""
        if self._reader is None:
            self._reader = AccumulatedReader([part.reader for part in self._parts], self._mode, self._parts)
        return self._reader

    @property
    def readers(self) -> Sequence[Reader]:
        """The reader of each file."""
        return [part.reader for part in self._parts]

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with elements from `start` on, as the mean or the sum of those of all files."""
        self.reader.read(spec, start, out)

    def expect(self, specs: Sequence[TensorSpec], pieces: Iterable[Piece]) -> Iterable[Piece]:
        """Return the pieces: those of the files are other ones."""
        return pieces

    def receipts(self) -> list[Any] | None:
        """Return and forget the checksums of what was read of each file."""
        found = [part.receipts() for part in self._parts]
        return found if any(one is not None for one in found) else None

    def take(self, receipts: list[Any]) -> None:
        """Give the readers what their copies in another process have read."""
        for part, own in zip(self._parts, receipts, strict=True):
            if own is not None:
                part.take(own)

    def __reduce__(self) -> "tuple[type[PortableAccumulation], tuple[object, ...]]":  # type: ignore[override]  # other arguments
        return PortableAccumulation, (self._parts, self._mode)


class AccumulatedReader:
    """Several open files as one. Gradients are float64 or complex128; everything else is that of the first file.

    Elements are read through `sources`, which in another process keep checksums for the readers of this one. Raises InputError
    unless all files have tensors of the same names, dtypes and shapes.
    """

    has_checksums = False  # those of the files are their own readers' business

    def __init__(self, readers: Sequence[Reader], mode: str, sources: Sequence[PortableReader]) -> None:
        self._readers, self._mode, self._sources, self._work = readers, mode, sources, Workspace()
        first = self.first = readers[0]
        self.file, self.metadata = first.file, first.metadata
        self.non_numeric = first.non_numeric
        self.pickled = _of_all(reader.pickled for reader in readers)
        self.unmeasured = _of_all(reader.unmeasured for reader in readers)
        self.notes = [note for reader in readers for note in reader.notes]
        self._own = self._matched()
        self.tensors: Sequence[TensorSpec] = list(self._specs())

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with elements from `start` on, as float64 or complex128 if they are gradients."""
        own = self._own[spec.name]
        if not spec.dtype.is_gradient:
            self._sources[0].read(own[0], start, out)
            return
        total = out.view(np.float64)
        with np.errstate(all="ignore"):  # signalling NaN, sums above the range of float64
            for source, stored in zip(self._sources, own, strict=True):
                raw = self._work.raw.take(total.size * stored.dtype.part.itemsize, np.uint8)
                source.read(stored, start, raw)
                values = decode(raw, stored.dtype.part, self._work)
                if source is self._sources[0]:
                    np.copyto(total, values)
                else:
                    np.add(total, values, out=total)
            if self._mode == "mean":
                np.divide(total, len(self._readers), out=total)

    def check_alike(self, index: int) -> None:
        """Raise InputError if a tensor that is not added, such as a counter, differs between the files."""
        spec = self.tensors[index]
        for reader, stored in list(zip(self._readers, self._own[spec.name], strict=True))[1:]:
            for piece in pieces_in_order(Piece(index, 1, 0, spec.size)):
                nbytes = (piece.stop - piece.start) * spec.dtype.itemsize
                firsts, others = (np.empty(nbytes, np.uint8) for _ in range(2))
                self.first.read(self._own[spec.name][0], piece.start, firsts)
                reader.read(stored, piece.start, others)
                if not np.array_equal(firsts, others):
                    message = f"differs from that in {printable(self.file.path)}, and is not added, as it is {spec.dtype.name}"
                    self._refuse(reader, f"{message}; --exclude writes that of the first file", spec.name)

    def receipts(self) -> None:
        """Return None: the reader of each file has its own."""

    def take(self, receipts: Any) -> None:
        """Do nothing."""

    def verify(self, rest: Sequence[int] | None = None) -> None:
        """Raise InputError if what was read of a file does not match its checksums, or if a file has changed."""
        wanted = None if rest is None else {self.tensors[index].name for index in rest}
        for reader in self._readers:
            own = None if wanted is None else [k for k, spec in enumerate(reader.tensors) if spec.name in wanted]
            reader.verify(own)

    def not_convertible(self) -> list[str]:
        """Describe what the first file holds besides tensors."""
        return self.first.not_convertible()

    def close(self) -> None:
        """Do nothing: whoever opened the files closes them."""

    def _matched(self) -> dict[str, tuple[TensorSpec, ...]]:
        """Return the specs of each tensor in all files, by name."""
        known = [{spec.name: spec for spec in reader.tensors} for reader in self._readers]
        for reader, specs in zip(self._readers, known, strict=True):
            missing, extra = sorted(known[0].keys() - specs.keys()), sorted(specs.keys() - known[0].keys())
            parts = [f"lacks {shortlist(missing, 4)}"] if missing else []
            parts += [f"also has {shortlist(extra, 4)}"] if extra else []
            if parts:
                what = f"has other tensors than {printable(self.file.path)}: it {' and '.join(parts)}"
                self._refuse(reader, f"{what}; micro-batches must have the same tensors")
            for name, spec in specs.items():
                self._check(reader, spec, known[0][name])
        return {name: tuple(specs[name] for specs in known) for name in known[0]}

    def _check(self, reader: Reader, spec: TensorSpec, first: TensorSpec) -> None:
        for what, own, other in (
            ("shape", spec.shape, first.shape),
            ("dtype", spec.dtype.name, first.dtype.name),
            ("order", "column-major" if spec.fortran else "C", "column-major" if first.fortran else "C"),
        ):
            if own != other:
                message = f"is of {what} {own} here, and {other} in {printable(self.file.path)}"
                self._refuse(reader, f"{message}; micro-batches must have the same tensors", spec.name)

    def _specs(self) -> Iterator[TensorSpec]:
        """Yield the specs as they are read; their offsets say which can be read together: those that adjoin in all files."""
        end, before = 0, list[TensorSpec]()
        for first in self.first.tensors:
            own = self._own[first.name]
            if not first.dtype.is_gradient:
                before = []
                yield first
                continue
            encoded = any(spec.offset is None for spec in own)
            adjoin = not encoded and bool(before) and all(map(_adjoin, before, own))
            dtype = COMPLEX128 if first.dtype.is_complex else FLOAT64
            start = end if adjoin else end + dtype.itemsize
            held = sum(spec.held for spec in own)
            found = replace(first, dtype=dtype, offset=None if encoded else start, held=held, slot=None)
            end, before = start + found.nbytes, [] if encoded else list(own)
            yield found

    def _refuse(self, reader: Reader, message: str, tensor: str | None = None) -> NoReturn:
        raise InputError(message, path=reader.file.path, tensor=tensor)


def _of_all(names: Iterable[Sequence[str]]) -> list[str]:
    """Return the names in any of the files: none of them may be passed over in silence."""
    return list(dict.fromkeys(chain.from_iterable(names)))


def _adjoin(before: TensorSpec, after: TensorSpec) -> bool:
    """Return whether a tensor lies just behind another one of its dtype."""
    return before.dtype is after.dtype and before.position(before.size) == after.offset
