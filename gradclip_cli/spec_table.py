"""Hold the tensors of a file as columns: a million objects would take half a gigabyte, and seconds to make.

Code that goes through all tensors asks the functions here, which know both a list of specs and a table.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.lazy_rows import Coded
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.tensors import Piece, TensorSpec

Ints = NDArray[np.int64]
Rows = Sequence[int] | NDArray[np.int64]

_AT_ONCE = 1000
"""Tensors are gone through by so many, since most loops end at the first."""


class Columns(NamedTuple):
    """The columns of a table: names, places in `dtypes` and in `shapes`, and offsets in bytes and sizes in elements.

    `dtype_of` is (tensors,) int16, `shape_of` (tensors,) int32, `offsets` and `sizes` are (tensors,) int64.
    """

    names: Sequence[str]
    dtypes: tuple[DType, ...]
    dtype_of: NDArray[np.int16]
    shapes: tuple[tuple[int, ...], ...]
    shape_of: NDArray[np.int32]
    offsets: Ints
    sizes: Ints


class SpecTable(Sequence[TensorSpec]):
    """Tensors in C order that lie in a file as they are, unmarked and without labels; each spec is made on access.

    It is never changed. A slice is a table, too.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns, self.names = columns, columns.names

    def __len__(self) -> int:
        return len(self.columns.names)

    @overload
    def __getitem__(self, index: int) -> TensorSpec: ...
    @overload
    def __getitem__(self, index: slice) -> "SpecTable": ...
    def __getitem__(self, index: int | slice) -> "TensorSpec | SpecTable":
        one = self.columns
        if isinstance(index, slice):
            rows = one.dtype_of[index], one.shapes, one.shape_of[index], one.offsets[index], one.sizes[index]
            return SpecTable(Columns(one.names[index], one.dtypes, *rows))
        dtype, shape = one.dtypes[one.dtype_of[index]], one.shapes[one.shape_of[index]]
        return TensorSpec(one.names[index], dtype, shape, one.offsets.item(index))

    def __iter__(self) -> Iterator[TensorSpec]:
        for start in range(0, len(self), _AT_ONCE):
            one = self[start : start + _AT_ONCE].columns
            places = zip(one.dtype_of.tolist(), one.shape_of.tolist(), one.offsets.tolist(), strict=True)
            for name, (dtype, shape, offset) in zip(one.names, places, strict=True):
                yield TensorSpec(name, one.dtypes[dtype], one.shapes[shape], offset)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the names as one text, which takes a fifth of the time and of the memory of a million texts."""
        names = self.columns.names
        if any("\0" in name for name in names):
            return SpecTable, (self.columns,)
        return _unpickled, ("\0".join(names), len(names), self.columns._replace(names=()))

    def take(self, rows: Rows) -> "SpecTable":
        """Return a table of some of the tensors; for all of them in order, this one."""
        one, at = self.columns, np.asarray(rows, np.int64)
        if at.size == len(self) and (at == np.arange(at.size)).all():
            return self
        names = list(map(one.names.__getitem__, at.tolist()))
        figures = one.dtype_of[at], one.shapes, one.shape_of[at], one.offsets[at], one.sizes[at]
        return SpecTable(Columns(names, one.dtypes, *figures))

    def renamed(self, names: Sequence[str]) -> "SpecTable":
        """Return the same tensors under other names."""
        return SpecTable(self.columns._replace(names=names))

    def of(self, test: Callable[[DType], bool]) -> NDArray[np.bool_]:
        """Return of which tensors the dtype passes a test."""
        passed = np.array([test(dtype) for dtype in self.columns.dtypes], np.bool_)
        found: NDArray[np.bool_] = passed[self.columns.dtype_of]
        return found

    @property
    def nbytes(self) -> Ints:
        """The size of the elements of each tensor in bytes."""
        widths = np.array([(dtype.values, dtype.itemsize) for dtype in self.columns.dtypes], np.int64).reshape(-1, 2)
        values, itemsize = widths[self.columns.dtype_of].T
        found: Ints = self.columns.sizes // values * itemsize
        return found

    def runs(self, wanted: Iterable[int], piece_bytes: int) -> Iterator[Piece]:
        """Yield one piece for each run of small adjacent tensors, and one for each other tensor (see `tensors.split`)."""
        at = np.asarray(wanted if isinstance(wanted, Sequence) else list(wanted), np.int64)
        if not at.size:
            return
        one, nbytes = self.columns, self.nbytes[at]
        small, offsets, dtypes = one.sizes[at] <= BLOCK, one.offsets[at], one.dtype_of[at]
        joins = small[1:] & small[:-1] & (np.diff(at) == 1) & (np.diff(dtypes) == 0)
        joins &= offsets[1:] == offsets[:-1] + nbytes[:-1]
        edges = [0, *(np.flatnonzero(~joins) + 1).tolist(), at.size]
        ends = np.concatenate([[0], np.cumsum(one.sizes[at])])
        for first, stop in pairwise(edges):
            if stop == first + 1:  # as nearly all tensors of a usual model; the rest would take ten times as long
                yield Piece(int(at[first]), 1, 0, int(one.sizes[at[first]]))
                continue
            most = piece_bytes // one.dtypes[dtypes[first]].itemsize
            for start, end in pairwise(_cut(ends[first : stop + 1], most)):
                elements = int(ends[first + end] - ends[first + start])
                yield Piece(int(at[first + start]), end - start, 0, elements)


def _cut(ends: Ints, most: int) -> list[int]:
    """Return where to cut adjacent tensors, so that each part has at most `most` elements, or is one tensor.

    `ends` says where each begins in elements, and where the last one ends.
    """
    cuts = [0]
    while cuts[-1] < len(ends) - 1:
        furthest = int(np.searchsorted(ends, ends[cuts[-1]] + most, "right")) - 1
        cuts.append(max(cuts[-1] + 1, furthest))
    return cuts


def _unpickled(text: str, count: int, columns: Columns) -> SpecTable:
    return SpecTable(columns._replace(names=text.split("\0") if count else []))


def names_of(specs: Sequence[TensorSpec]) -> Sequence[str]:
    """Return the names of tensors."""
    return specs.names if isinstance(specs, SpecTable) else [spec.name for spec in specs]


def sizes_of(specs: Sequence[TensorSpec]) -> list[int]:
    """Return how many elements each of some tensors has."""
    if isinstance(specs, SpecTable):
        return list(specs.columns.sizes.tolist())
    return [spec.size for spec in specs]


def nbytes_of(specs: Sequence[TensorSpec]) -> Ints:
    """Return the sizes of tensors in bytes."""
    return specs.nbytes if isinstance(specs, SpecTable) else np.array([spec.nbytes for spec in specs], np.int64)


def shapes_of(specs: Sequence[TensorSpec]) -> Sequence[tuple[int, ...]]:
    """Return the shapes of tensors."""
    if isinstance(specs, SpecTable):
        return Coded(specs.columns.shapes, specs.columns.shape_of)
    return [spec.shape for spec in specs]


def dtypes_of(specs: Sequence[TensorSpec]) -> Sequence[DType]:
    """Return the dtypes of tensors."""
    if isinstance(specs, SpecTable):
        return Coded(specs.columns.dtypes, specs.columns.dtype_of)
    return [spec.dtype for spec in specs]


def dtype_names(specs: Sequence[TensorSpec]) -> Sequence[str]:
    """Return the names of the dtypes of tensors."""
    if isinstance(specs, SpecTable):
        return Coded([dtype.name for dtype in specs.columns.dtypes], specs.columns.dtype_of)
    return [spec.dtype.name for spec in specs]


def rows_of(specs: Sequence[TensorSpec], test: Callable[[DType], bool], rows: Sequence[int]) -> Sequence[int]:
    """Return those of some tensors whose dtypes pass a test; `rows` itself if all of a table do."""
    if not isinstance(specs, SpecTable):
        return [row for row in rows if test(specs[row].dtype)]
    at = np.asarray(rows, np.int64)
    passed = specs.of(test)[at]
    found: list[int] = at[passed].tolist() if not passed.all() else []
    return rows if passed.all() else found


def adjoining(specs: Sequence[TensorSpec]) -> bool:
    """Return whether tensors lie one directly after the other; those that are encoded lie nowhere."""
    if isinstance(specs, SpecTable):
        begins = specs.columns.offsets
        return bool((begins[1:] == (begins + specs.nbytes)[:-1]).all())
    ends = accumulate((spec.nbytes for spec in specs), initial=specs[0].offset or 0)
    return all(spec.offset == end for spec, end in zip(specs, ends, strict=False))


def picked(specs: Sequence[TensorSpec], rows: Rows) -> Sequence[TensorSpec]:
    """Return some of the tensors."""
    return specs.take(rows) if isinstance(specs, SpecTable) else [specs[row] for row in rows]


def renamed(specs: Sequence[TensorSpec], names: Sequence[str]) -> Sequence[TensorSpec]:
    """Return the tensors under other names."""
    if isinstance(specs, SpecTable):
        return specs.renamed(names)
    return [replace(spec, name=name) for spec, name in zip(specs, names, strict=True)]


def extended(specs: Sequence[TensorSpec], more: Sequence[TensorSpec]) -> Sequence[TensorSpec]:
    """Return the tensors of a dump and those of its next file; a list grows in place, since there may be thousands of files."""
    if isinstance(more, SpecTable) and not specs:
        return more
    if isinstance(specs, SpecTable) and isinstance(more, SpecTable):
        return _joined(specs.columns, more.columns)
    every = specs if isinstance(specs, list) else list(specs)
    every.extend(more)
    return every


def _joined(one: Columns, other: Columns) -> SpecTable:
    dtypes = {dtype: k for k, dtype in enumerate(dict.fromkeys((*one.dtypes, *other.dtypes)))}
    shapes = {shape: k for k, shape in enumerate(dict.fromkeys((*one.shapes, *other.shapes)))}
    dtype_of = [np.array([dtypes[dtype] for dtype in part.dtypes], np.int16)[part.dtype_of] for part in (one, other)]
    shape_of = [np.array([shapes[shape] for shape in part.shapes], np.int32)[part.shape_of] for part in (one, other)]
    figures = (np.concatenate([getattr(part, name) for part in (one, other)]) for name in ("offsets", "sizes"))
    codes = tuple(dtypes), np.concatenate(dtype_of), tuple(shapes), np.concatenate(shape_of)
    return SpecTable(Columns([*one.names, *other.names], *codes, *figures))


def of_kind(specs: Sequence[TensorSpec], *kinds: str) -> Sequence[TensorSpec]:
    """Return the tensors whose dtypes are of some kinds."""
    if isinstance(specs, SpecTable):
        return specs.take(np.flatnonzero(specs.of(lambda dtype: dtype.kind in kinds)))
    return [spec for spec in specs if spec.dtype.kind in kinds]


def marked(specs: Sequence[TensorSpec]) -> list[tuple[int, TensorSpec]]:
    """Return the tensors, with their rows, that their file marks as no gradients."""
    return [] if isinstance(specs, SpecTable) else [pair for pair in enumerate(specs) if pair[1].role is not None]


def labels_of(specs: Sequence[TensorSpec]) -> dict[int, str]:
    """Return the labels of those tensors that have one, by row."""
    if isinstance(specs, SpecTable):
        return {}
    return {row: spec.label for row, spec in enumerate(specs) if spec.label is not None}


def without_elements(specs: Sequence[TensorSpec]) -> Sequence[TensorSpec]:
    """Return the tensors that have no elements."""
    if isinstance(specs, SpecTable):
        return specs.take(np.flatnonzero(specs.columns.sizes == 0))
    return [spec for spec in specs if not spec.size]
