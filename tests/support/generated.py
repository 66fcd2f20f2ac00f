"""Dumps of any shape, dtype, name and bits; how they are written is up to nobody's library."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from numpy.typing import NDArray

from support.official import CODES as EVERY_CODE

Dump = dict[str, NDArray[Any]]

CODES = {code: dtype for code, dtype in EVERY_CODE.items() if dtype.kind != "c"}
FLOATS = [CODES[code] for code in ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ")]

shapes = array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=3)
names = st.text(
    st.one_of(st.sampled_from("abc./_0 \\\0\n\x1b\u202e\x9b:"), st.characters(exclude_categories=["Cs"])), max_size=12
)


def few(examples: int) -> settings:
    """The same examples each time, so many that they take seconds."""
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None)


@st.composite
def arrays(draw: st.DrawFn, dtypes: list[np.dtype[Any]]) -> NDArray[Any]:
    """An array of any shape and of any bits: NaN with payloads, subnormals, zeros of both signs."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes)
    size = math.prod(shape) * dtype.itemsize
    raw: NDArray[Any] = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    found: NDArray[Any] = (raw & 1 if dtype.kind == "b" else raw).view(dtype).reshape(shape)
    return found


def dumps(dtypes: list[np.dtype[Any]]) -> st.SearchStrategy[Dump]:
    """A few arrays by any names; one name is the format's own."""
    return st.dictionaries(names.filter(lambda name: name != "__metadata__"), arrays(dtypes), max_size=4)


def write(path: Path, dump: Dump) -> None:
    """Write a safetensors file by hand."""
    header, data = {}, b""
    for name, array in dump.items():
        code = next(code for code, dtype in CODES.items() if dtype == array.dtype)
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def read(path: Path) -> Dump:
    """Read a safetensors file by hand."""
    raw = path.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:begin])
    return {
        name: np.frombuffer(raw[begin:], np.uint8)[slice(*entry["data_offsets"])]
        .view(CODES[entry["dtype"]])
        .reshape(entry["shape"])
        for name, entry in header.items()
    }
