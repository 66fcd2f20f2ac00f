"""Reading a safetensors file: its header is checked, and everything that it claims."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.headers import Headers
from gradclip_cli.formats.safetensors import strict_json
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.storage.random_access import InputFile
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import is_unicode, listed

MAX_HEADER = 100_000_000
"""The official library's own limit, in bytes."""

_MOST_SIZES = 63
"""How many sizes above 1 a shape can have: 2^63 bytes are more than any file; without a limit their product takes hours."""

DTYPES = {
    "F64": dtypes.FLOAT64,
    "F32": dtypes.FLOAT32,
    "F16": dtypes.FLOAT16,
    "BF16": dtypes.BFLOAT16,
    "F8_E4M3": dtypes.FLOAT8_E4M3FN,
    "F8_E5M2": dtypes.FLOAT8_E5M2,
    "BOOL": DType("bool", 1, "bool"),
    "C64": DType("complex64", 8, "complex"),
} | {
    f"{letter}{8 * size}": DType(f"{word}{8 * size}", size, "int")
    for letter, word in (("I", "int"), ("U", "uint"))
    for size in (1, 2, 4, 8)
}
_TEXTS = 5
"""Texts in the entry of a tensor: its name, three keys and a dtype."""

_NOT_SIZES = "shape or data_offsets are not lists of whole numbers"


class Header(NamedTuple):
    """What was read from a header."""

    begin: int  # where the data begins
    metadata: dict[str, str]
    tensors: list[TensorSpec]


class SafetensorsReader:
    """An opened safetensors file; tensors in the order of their data."""

    others: Sequence[str] = ()

    def __init__(self, file: InputFile, options: Options) -> None:
        self.file = file
        headers = options.headers
        known: Header | None = headers.of_file(file.fingerprint) if headers is not None else None
        header = known or self._header(headers, options.most_tensors)
        self.begin, self.metadata, self.tensors = header.begin, header.metadata, header.tensors

    def _header(self, headers: Headers | None, most: int | None) -> Header:
        """Read the header, and parse it unless it is known."""
        length = int.from_bytes(self.file.read(0, 8), "little")
        if length > min(MAX_HEADER, self.file.size - 8):
            self._refuse(f"header of {length:,} bytes, in a file of {self.file.size:,}")
        self.begin = 8 + length
        data = self.file.read(8, length)
        if most is not None and data.count(b'"data_offsets"') > most:
            self._refuse(f"holds more tensors than {most}")
        key = self.file.size, data
        header: Header | None = headers.of_bytes(key) if headers is not None else None
        if header is None:
            header = self._parsed(data)
        if headers is not None:
            headers.add(self.file.fingerprint, key, header)
        return header

    def _parsed(self, data: bytes) -> Header:
        header = self._parse(data, twice=True)
        own = int("__metadata__" in header)
        metadata = self._metadata(header.pop("__metadata__", {}))
        specs = [self._spec(key, entry) for key, entry in header.items()]
        if data.count(b'"') != 2 * (own + 2 * len(metadata) + _TEXTS * len(specs)):
            self._parse(data)  # there is more in it than was seen: a name stands twice, or texts hold quotes
        specs.sort(key=lambda spec: (spec.offset, spec.nbytes))
        self._check_layout(specs)
        return Header(self.begin, metadata, specs)

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on."""
        self.file.read_into(spec.position(start), out)

    def verify(self, rest: bool = False) -> None:
        """Raise if the file has changed since it was opened."""
        self.file.check_unchanged()

    def extras(self) -> list[str]:
        """Name the keys of `__metadata__`."""
        return [f"__metadata__ ({listed(list(self.metadata))})"] if self.metadata else []

    def close(self) -> None:
        """Nothing but the descriptor, which is the caller's."""

    def _parse(self, data: bytes, twice: bool = False) -> dict[str, Any]:
        try:
            header = strict_json.parse(data, twice)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not a safetensors header: {error}", path=self.file.path) from error
        return header

    def _spec(self, key: str, entry: Any) -> TensorSpec:
        try:
            code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        except (TypeError, KeyError):
            self._refuse("its entry has no dtype, shape and data_offsets", key)
        if not is_unicode(key):
            self._refuse("its name is not Unicode", key)
        if not isinstance(code, str) or code not in DTYPES:
            self._refuse(f"dtype {code!r} is not known", key)
        if not (isinstance(shape, list) and _is_range(offsets)):
            self._refuse(_NOT_SIZES, key)
        try:
            sizes = _shape(*shape)
        except ValueError as error:
            self._refuse(str(error), key)
        spec = TensorSpec(key, DTYPES[code], sizes, self.begin + offsets[0])
        if spec.nbytes != offsets[1] - offsets[0]:
            self._refuse("its data_offsets do not fit its shape", key)
        return spec

    def _metadata(self, metadata: object) -> dict[str, str]:
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            self._refuse("__metadata__ is not a table of texts")
        if not all(is_unicode(text) for pair in metadata.items() for text in pair):
            self._refuse("__metadata__ is not Unicode")
        return metadata

    def _check_layout(self, specs: Sequence[TensorSpec]) -> None:
        ends = [self.begin, *((spec.offset or 0) + spec.nbytes for spec in specs)]
        for spec, end in zip(specs, ends, strict=False):
            if spec.offset != end:
                self._refuse(f"begins at byte {spec.offset}, not at {end} where the one before it ends", spec.name)
        if ends[-1] != self.file.size:
            self._refuse(
                f"tensors end at byte {ends[-1]:,}, the file at {self.file.size:,}; it was cut short or added to"
            )

    def _refuse(self, message: str, tensor: str | None = None) -> NoReturn:
        raise InputError(message, path=self.file.path, tensor=tensor)


def _shape(*sizes: Any) -> tuple[int, ...]:
    """Return one tuple for all tensors of a shape; raise ValueError where that is none."""
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
