"""Parse the header of a safetensors file strictly: check every claim, and refuse what parsers may read differently."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from gradclip_cli.errors import InputError
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import is_unicode

MAX_HEADER = 100_000_000
"""The official library's own limit, in bytes."""

_MOST_SIZES = 63
"""The most sizes above 1 in a shape: 2^63 bytes are more than any file. Without a limit, their product could take hours."""

DTYPES = {
    "F64": dtypes.FLOAT64,
    "F32": dtypes.FLOAT32,
    "F16": dtypes.FLOAT16,
    "BF16": dtypes.BFLOAT16,
    "F8_E4M3": dtypes.FLOAT8_E4M3FN,
    "F8_E5M2": dtypes.FLOAT8_E5M2,
    "F8_E4M3FNUZ": dtypes.FLOAT8_E4M3FNUZ,
    "F8_E5M2FNUZ": dtypes.FLOAT8_E5M2FNUZ,
    "F4": dtypes.FLOAT4_E2M1FN,
    "F6_E2M3": dtypes.FLOAT6_E2M3FN,
    "F6_E3M2": dtypes.FLOAT6_E3M2FN,
    "F8_E8M0": dtypes.FLOAT8_E8M0FNU,
    "BOOL": DType("bool", 1, "bool"),
    "C64": dtypes.COMPLEX64,
} | {
    f"{letter}{8 * size}": DType(f"{word}{8 * size}", size, "int")
    for letter, word in (("I", "int"), ("U", "uint"))
    for size in (1, 2, 4, 8)
}
TEXTS = 5
"""The number of JSON strings in the entry of a tensor: its name, three keys and a dtype."""

_NOT_SIZES = "shape or data_offsets are not lists of whole numbers"


class Header(NamedTuple):
    """A parsed header: the offset of the data in bytes, `__metadata__`, and the tensors in the order of their data.

    `packed` holds the names of those whose values and scales lie in different tensors.
    """

    begin: int
    metadata: dict[str, str]
    tensors: Sequence[TensorSpec]
    packed: list[str]


def parse_header(data: bytes, size: int, path: str) -> Header:
    """Parse the JSON of a header, without the length before it, of a file of `size` bytes.

    Raises InputError if it is not JSON, or if a claim is wrong: duplicate names, unknown dtypes, shapes that do not match
    their offsets, gaps or overlaps between tensors, tensors that do not end where the file ends.
    """
    header = _parsed(data, path, twice=True)
    begin, own = 8 + len(data), int("__metadata__" in header)
    metadata = metadata_of(header.pop("__metadata__", None), path)
    specs = [_spec(key, entry, begin, path) for key, entry in header.items()]
    # Parsing without a check for duplicate names takes a third of the time. If the text has more quotes than the parsed
    # entries account for, it has a duplicate name or an escaped quote: parse it again with the check.
    if data.count(b'"') != 2 * (own + 2 * len(metadata) + TEXTS * len(specs)):
        _parsed(data, path)
    specs.sort(key=lambda spec: (spec.offset, spec.nbytes))
    _check_layout(specs, begin, size, path)
    return Header(begin, metadata, specs, [spec.name for spec in specs if spec.dtype.kind == "packed"])


def _parsed(data: bytes, path: str, twice: bool = False) -> dict[str, Any]:
    try:
        return parse_object(data, twice)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a safetensors header: {error}", path=path) from error


def _spec(key: str, entry: Any, begin: int, path: str) -> TensorSpec:
    """Return the tensor of one entry; raise InputError if the entry is wrong."""
    try:
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError):
        _refuse(path, "its entry has no dtype, shape and data_offsets", key)
    if not is_unicode(key):
        _refuse(path, "its name is not Unicode", key)
    if not isinstance(code, str) or code not in DTYPES:
        _refuse(path, f"dtype {code!r} is not known", key)
    if not (isinstance(shape, list) and _is_range(offsets)):
        _refuse(path, _NOT_SIZES, key)
    try:
        sizes = shape_of(*shape)
    except ValueError as error:
        _refuse(path, str(error), key)
    spec = TensorSpec(key, DTYPES[code], sizes, begin + offsets[0])
    if spec.size % spec.dtype.values:
        _refuse(path, f"its {spec.size:,} values ({code}) do not fill whole bytes", key)
    if spec.nbytes != offsets[1] - offsets[0]:
        _refuse(path, "its data_offsets do not fit its shape", key)
    return spec


def metadata_of(metadata: object, path: str) -> dict[str, str]:
    """Return `__metadata__` as a table of texts; raise InputError if it is none."""
    if metadata is None:  # some writers put null there
        return {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse(path, "__metadata__ is not a table of texts")
    if not all(is_unicode(text) for pair in metadata.items() for text in pair):
        _refuse(path, "__metadata__ is not Unicode")
    return metadata


def _check_layout(specs: Sequence[TensorSpec], begin: int, size: int, path: str) -> None:
    """Raise InputError unless the tensors fill the file from the header to its end without gaps or overlaps."""
    ends = [begin, *((spec.offset or 0) + spec.nbytes for spec in specs)]
    for spec, end in zip(specs, ends, strict=False):
        if spec.offset != end:
            _refuse(path, f"begins at byte {spec.offset}, not at {end} where the one before it ends", spec.name)
    if ends[-1] != size:
        _refuse(path, f"tensors end at byte {ends[-1]:,}, the file at {size:,}; it was cut short or added to")


def _refuse(path: str, message: str, tensor: str | None = None) -> NoReturn:
    raise InputError(message, path=path, tensor=tensor)


def shape_of(*sizes: Any) -> tuple[int, ...]:
    """Return a shape as a tuple that equal shapes share; raise ValueError if it is not a shape."""
    try:
        return _checked(*sizes)
    except TypeError as error:  # a list has no hash
        raise ValueError(_NOT_SIZES) from error


@lru_cache(typed=True)
def _checked(*sizes: Any) -> tuple[int, ...]:
    if not all(map(_is_size, sizes)):
        raise ValueError(_NOT_SIZES)
    if len(sizes) > _MOST_SIZES < sum(size > 1 for size in sizes):
        raise ValueError("has more elements than any file can hold")
    return sizes


def _is_range(values: Any) -> bool:
    return isinstance(values, list) and len(values) == 2 and _is_size(values[0]) and _is_size(values[1])


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def parse_object(data: bytes, twice: bool = False) -> dict[str, Any]:
    """Parse UTF-8 that holds one JSON object; raise ValueError or RecursionError if it does not.

    Refuses duplicate names (unless `twice` is set), constants such as NaN, and -0, which some parsers read as a float.
    """
    if not data.startswith(b"{"):
        raise ValueError("it does not begin with a brace")
    found: dict[str, Any] = json.loads(
        data.decode("utf-8"),
        object_pairs_hook=None if twice else _no_duplicates,
        parse_constant=_no_constants,
        parse_int=_plain if b"-0" in data else None,  # only where it matters, since it is slower
    )
    return found


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice in it")
    return table


def _no_constants(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _plain(text: str) -> int:
    if text == "-0":
        raise ValueError("-0 is not a whole number")
    return int(text)
