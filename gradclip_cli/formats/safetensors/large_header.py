"""Parse a large header in pieces, into columns: whole, the objects of a million tensors would take a gigabyte.

What is parsed here passes every check of `header`. What is not, for any reason, is left to it, and to its words.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.errors import InputError
from gradclip_cli.formats.safetensors.header import DTYPES, TEXTS, Header, metadata_of, parse_object, shape_of
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.spec_table import Columns, SpecTable, names_of, of_kind

_PIECE = 1 << 18
"""The size of a piece in bytes: some 2,500 entries, whose objects are made in memory that the last ones have left."""

_BETWEEN = rb"\}[ \t\r\n]*,[ \t\r\n]*(?=\")"
"""What stands between two entries, but may stand inside one, too: a piece that was cut there is no JSON."""

_MOST_SPACE = 64
"""The most white space at the end: writers fill up to eight bytes."""

_PARTS = itemgetter("dtype", "shape", "data_offsets")
_CODES = {code: number for number, code in enumerate(DTYPES)}
_KINDS: tuple[DType, ...] = tuple(DTYPES.values())
_MOST = 1 << 58
"""More elements, or bytes, than any file holds; sums of two such numbers are in the range of int64."""

_METADATA = "__metadata__"


class _Unusual(Exception):  # noqa: N818 - no error: another parser decides
    """Something that is rare or wrong."""


class _Part(NamedTuple):
    """The tensors of a piece: names, the numbers of dtypes and shapes, and where each begins and ends in the data."""

    names: list[str]
    dtypes: NDArray[np.int16]
    shapes: NDArray[np.int32]
    bounds: NDArray[np.int64]  # (tensors, 2)


def parse_large(data: bytes, size: int, path: str) -> Header | None:
    """Return what `parse_header` returns, with the tensors as a table; None if anything about the header is rare or wrong."""
    shapes: dict[tuple[int, ...], int] = {}
    parts, metadata = list[_Part](), list[dict[str, str]]()
    try:
        for members in _pieces(data):
            if _METADATA in members:
                metadata.append(metadata_of(members.pop(_METADATA), path))
            parts.append(_part(members, shapes))
        table = _table(parts, tuple(shapes), 8 + len(data), size)
        (own,) = metadata or [{}]
    except (_Unusual, InputError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    packed = of_kind(table, "packed")
    return Header(8 + len(data), own, table, list(names_of(packed)))


def _pieces(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the members of the object piece by piece; raise ValueError if any piece is no JSON.

    A piece in braces is JSON only if it was cut between two members: a cut inside a text or an object leaves it open.
    """
    tail = data[-_MOST_SPACE:]
    end = len(data) - (len(tail) - len(tail.rstrip(b" \t\r\n"))) - 1
    if end < 1 or not data.startswith(b"{") or data[end] != ord("}"):
        raise _Unusual
    whole, between, start = memoryview(data), re.compile(_BETWEEN), 1
    while start < end:
        found = between.search(data, start + _PIECE, end)
        stop, after = (end, end) if found is None else (found.start() + 1, found.end())
        yield _members(b"".join((b"{", whole[start:stop], b"}")))
        start = after


def _members(text: bytes) -> dict[str, Any]:
    """Return the members of an object, one or more; raise ValueError for a name that stands in it twice."""
    members = parse_object(text, twice=True)
    if not members:
        raise _Unusual
    own = int(_METADATA in members)
    texts = own + 2 * len(members.get(_METADATA) or ()) + TEXTS * (len(members) - own)
    if text.count(b'"') != 2 * texts:  # as in `parse_header`: a name stands there twice, or a quote is escaped
        parse_object(text)
    return members


def _part(members: Mapping[str, Any], shapes: dict[tuple[int, ...], int]) -> _Part:
    """Return the columns of some entries; new shapes are added to `shapes`."""
    names, entries = list(members), list(map(_PARTS, members.values()))
    codes, sizes, bounds = zip(*entries, strict=True) if entries else ((), (), ())
    flat = list(chain.from_iterable(bounds))
    if not (_all_of(list, sizes) and _all_of(list, bounds) and _all_of(int, chain.from_iterable(sizes))):
        raise _Unusual
    if not _all_of(int, flat) or not set(map(len, bounds)) <= {2}:
        raise _Unusual
    "".join(names).encode()  # raises UnicodeEncodeError for lone surrogates
    tuples = list(map(tuple, sizes))
    for shape in set(tuples).difference(shapes):
        shapes[shape_of(*shape)] = len(shapes)
    return _Part(
        names,
        np.array([_CODES[code] for code in codes], np.int16),
        np.array([shapes[shape] for shape in tuples], np.int32),
        np.array(flat, np.int64).reshape(-1, 2),
    )


def _table(parts: Sequence[_Part], shapes: tuple[tuple[int, ...], ...], begin: int, size: int) -> SpecTable:
    """Return the tensors in the order of their data; raise _Unusual unless they fill the file as they say."""
    names = [name for part in parts for name in part.names]
    if not names or len(set(names)) < len(names):
        raise _Unusual
    _, dtypes, of_shape, bounds = zip(*parts, strict=True)
    dtype_of, shape_of, places = np.concatenate(dtypes), np.concatenate(of_shape), np.concatenate(bounds)
    counts = list(map(math.prod, shapes))
    if max(counts, default=0) > _MOST or places.min(initial=0) < 0 or places.max(initial=0) > _MOST:
        raise _Unusual
    sizes = np.array(counts, np.int64)[shape_of]
    table = SpecTable(Columns(names, _KINDS, dtype_of, shapes, shape_of, places[:, 0] + begin, sizes))
    values = np.array([dtype.values for dtype in _KINDS])[dtype_of]
    nbytes = table.nbytes
    if (sizes % values).any() or (nbytes != places[:, 1] - places[:, 0]).any():
        raise _Unusual
    table = _in_order(table, nbytes)
    offsets, ends = table.columns.offsets, table.columns.offsets + table.nbytes
    if offsets[0] != begin or (offsets[1:] != ends[:-1]).any() or ends[-1] != size:
        raise _Unusual
    return table


def _in_order(table: SpecTable, nbytes: NDArray[np.int64]) -> SpecTable:
    """Sort tensors by their offsets, those without elements first, if they do not stand so."""
    offsets = table.columns.offsets
    later = (offsets[1:] > offsets[:-1]) | ((offsets[1:] == offsets[:-1]) & (nbytes[1:] >= nbytes[:-1]))
    return table if later.all() else table.take(np.lexsort((nbytes, offsets)))


def _all_of(kind: type, values: Any) -> bool:
    """Return whether all values are of exactly this type: True is no size, though it equals 1."""
    return set(map(type, values)) <= {kind}
