"""A header is read strictly, and whatever is wrong with it is said in one line."""

import math
from pathlib import Path
from typing import Any

import pytest
import safetensors
from support.tensors import read_all

from gradclip_cli.errors import InputError
from unit.formats.safetensors.made import PACKED, entry, write

WHOLE = b'{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
BROKEN: dict[str, tuple[Any, bytes, str]] = {
    "no JSON": (b"{nonsense", b"", "not a safetensors header"),
    "not UTF-8": (b'{"\xff": 1}', b"", "not a safetensors header"),
    "nested too deep": (b'{"a":' + b"[" * 100_000, b"", "not a safetensors header"),
    "a number that is not JSON": (b'{"w": NaN}', b"", "NaN is not JSON"),
    "a name twice": (b'{"w": %b, "w": %b}' % (WHOLE, WHOLE), b"abcd", "twice"),
    "a name twice, escaped": (b'{"w": %b, "\\u0077": %b}' % (WHOLE, WHOLE), b"abcd", "twice"),
    "a key twice": (b'{"w": %b}' % WHOLE.replace(b'"dtype"', b'"dtype": "F16", "dtype"'), b"abcd", "twice"),
    "an own word twice": (b'{"__metadata__": {"a": "1", "a": "2"}, "w": %b}' % WHOLE, b"abcd", "twice"),
    "two tables of own words": (b'{"__metadata__": {}, "__metadata__": {}, "w": %b}' % WHOLE, b"abcd", "twice"),
    "a key twice in what nobody knows": (
        b'{"w": %b}' % WHOLE.replace(b"}", b', "x": {"": 1, "": 2}}'),
        b"abcd",
        "twice",
    ),
    "an entry that is no object": ({"w": 3}, b"", "no dtype, shape and data_offsets"),
    "an entry without a shape": (
        {"w": {"dtype": "F32", "data_offsets": [0, 4]}},
        b"abcd",
        "no dtype, shape and data_offsets",
    ),
    "an unknown dtype": ({"w": entry(0, 4, dtype="F99")}, b"abcd", "'F99' is not known"),
    "a dtype that is no text": ({"w": entry(0, 4, dtype=[1])}, b"abcd", "is not known"),
    "a negative size": ({"w": entry(0, 4, shape=(-1,))}, b"abcd", "whole numbers"),
    "a size that is a truth": ({"w": entry(0, 4, shape=[True])}, b"abcd", "whole numbers"),
    "a broken size": ({"w": entry(0, 4, shape=(1.0,))}, b"abcd", "whole numbers"),
    "a shape that is no list": ({"w": entry(0, 4, shape="1")}, b"abcd", "whole numbers"),
    "three offsets": ({"w": {**entry(0, 4), "data_offsets": [0, 2, 4]}}, b"abcd", "whole numbers"),
    "offsets that do not fit": ({"w": entry(0, 4, shape=(2,))}, b"abcd", "do not fit its shape"),
    "offsets turned around": ({"w": entry(4, 0)}, b"abcd", "do not fit its shape"),
    "a huge shape": ({"w": entry(0, 4, shape=(2**62, 2**62))}, b"abcd", "do not fit its shape"),
    "an overlap": ({"v": entry(0, 4), "w": entry(2, 6)}, b"abcdef", "begins at byte"),
    "a gap": ({"v": entry(0, 4), "w": entry(6, 10)}, b"abcdefghij", "begins at byte"),
    "a late begin": ({"w": entry(4, 8)}, b"abcdefgh", "begins at byte"),
    "cut short": ({"w": entry(0, 4)}, b"abc", "cut short or added to"),
    "added to": ({"w": entry(0, 4)}, b"abcdX", "cut short or added to"),
    "metadata that is no table": ({"__metadata__": [1]}, b"", "__metadata__"),
    "metadata that is no text": ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
    "a lone surrogate": (b'{"\\ud800": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"abcd", "not Unicode"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    """Whatever is wrong with a header is one line that names the file and says what it is."""
    header, data, reason = BROKEN[case]
    path = write(tmp_path, header, data)
    with pytest.raises(InputError, match=reason) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 100, 2**62])
def test_a_header_longer_than_the_file(tmp_path: Path, length: int) -> None:
    """A length that the file does not have is refused before anything is read; of no header at all the format is not known."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    with pytest.raises(InputError, match="header" if length else "safetensors"):
        read_all(path, name="safetensors")


@pytest.mark.parametrize("code", PACKED)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2,), (3,), (4,), (2, 3), (5, 8), (1, 12)])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_elements_of_less_than_a_byte(tmp_path: Path, code: str, shape: tuple[int, ...], more: int) -> None:
    """Packed elements have to fill whole bytes, in all: what the official library reads is read, and what not, is not."""
    name, size = PACKED[code]
    length = max(0, math.prod(shape) * size // 8 + more)
    path = write(tmp_path, {"w": entry(0, length, shape, code)}, bytes(length))
    try:
        safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError:
        with pytest.raises(InputError, match=r"do not fill whole bytes|do not fit its shape"):
            read_all(path)
    else:
        spec, data = read_all(path)["w"]
        assert (spec.dtype.name, spec.shape, spec.size, len(data)) == (name, shape, math.prod(shape), length)


HEADERS = {
    "no metadata as null": ('{"__metadata__": null, W}', True),
    "null behind the tensors": ('{W, "__metadata__": null}', True),
    "other keys in an entry": ('{"w": {"x": 1, "dtype":"F32","shape":[1],"data_offsets":[0,4]}}', True),
    "spaces and line ends behind": ("{W} \n\t ", True),
    "an escaped name": (r'{"\u0077": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', True),
    "metadata that is a list": ('{"__metadata__": [], W}', False),
    "metadata of null": ('{"__metadata__": {"a": null}, W}', False),
    "zeros behind": ("{W}\0\0", False),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_the_official_library_accepts(tmp_path: Path, case: str) -> None:
    """What other writers do and the official library accepts, is accepted, and what it refuses is refused."""
    text, accepted = HEADERS[case]
    path = write(tmp_path, text.replace("W", f'"w": {WHOLE.decode()}').encode(), b"abcd")
    try:
        safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError:
        assert not accepted
        with pytest.raises(InputError):
            read_all(path)
    else:
        assert accepted
        assert {name: data for name, (_, data) in read_all(path).items()} == {"w": b"abcd"}
