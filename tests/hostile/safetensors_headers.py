"""safetensors files whose header is odd."""

import json
from typing import Any

import numpy as np

from hostile.cases import Arrays, Collection

FILES = Collection(".safetensors")
W = np.array([3, -4], np.float32)
ONE: Arrays = {"w": W}
EIGHT = W.tobytes()


def file(header: Any, data: bytes = EIGHT, length: int | None = None) -> bytes:
    """Put a file together; `header` is JSON's value, or its bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(begin: Any = 0, end: Any = 8, shape: Any = (2,), dtype: Any = "F32") -> dict[str, Any]:
    """Describe a tensor."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def written(text: str) -> bytes:
    """A header of one tensor `w` in which a part was written by hand."""
    return text.replace("W", '"w": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}').encode()


GOOD = json.dumps({"w": entry()}).encode()

for name, data, reason in (
    ("empty", b"", "A file without a byte is no dump."),
    ("seven-bytes", bytes(7), "It ends inside the length of its header."),
    ("only-a-length", (10).to_bytes(8, "little"), "It ends where its header should begin."),
    ("length-0", file(b"", EIGHT), "Without a header there are no tensors to read."),
    ("length-1", file(b"{", b""), "One brace is not JSON."),
    ("length-one-more", file(GOOD, EIGHT, len(GOOD) + 1), "The header takes a byte of the data."),
    ("length-one-less", file(GOOD, EIGHT, len(GOOD) - 1), "The header lacks its last brace."),
    ("length-past-the-end", file(GOOD, EIGHT, len(GOOD) + 9), "The header is longer than the file."),
    ("length-2^31", file(GOOD, EIGHT, 1 << 31), "The header is longer than the file."),
    ("length-2^63", file(GOOD, EIGHT, 1 << 63), "The length is negative where it is read as signed."),
    ("length-2^64-1", file(GOOD, EIGHT, (1 << 64) - 1), "Adding 8 to the length wraps around."),
    ("length-big-endian", len(GOOD).to_bytes(8, "big") + GOOD + EIGHT, "The length is little-endian."),
    ("a-byte-missing", file(GOOD, EIGHT[:-1]), "Its last element lacks a byte."),
    ("all-data-missing", file(GOOD, b""), "Its elements are not there."),
    ("a-byte-more", file(GOOD, EIGHT + b"\0"), "A byte belongs to no tensor."),
    ("newline-at-the-end", file(GOOD, EIGHT + b"\n"), "A transfer as text has added to it."),
    ("crlf", file(GOOD, EIGHT).replace(b" ", b"\r\n", 1), "A transfer as text has lengthened its header."),
    ("byte-order-mark", file(b"\xef\xbb\xbf" + GOOD), "The header begins with a brace."),
    ("space-before", file(b" " + GOOD), "The header begins with a brace."),
    ("newline-before", file(b"\n" + GOOD), "The header begins with a brace."),
    ("utf-16", file(GOOD.decode().encode("utf-16-le")), "The header is UTF-8."),
    ("utf-32", file(GOOD.decode().encode("utf-32-le")), "The header is UTF-8."),
    ("latin-1", file(written('{W, "\xe9": 1}').decode().encode("latin-1")), "The header is UTF-8."),
    ("nul-padding", file(GOOD + bytes(8)), "The header is padded with spaces."),
    ("nul-first", file(b"\0" + GOOD), "The header begins with a brace."),
    ("a-second-object", file(GOOD + b"{}"), "Behind the header's object there is another."),
    ("a-comment", file(GOOD[:-1] + b"/* hello */}"), "JSON has no comments."),
    ("a-comma-more", file(GOOD[:-1] + b",}"), "JSON has no comma behind the last."),
    ("single-quotes", file(GOOD.replace(b'"', b"'")), "Python's quotes are not JSON's."),
    ("a-raw-control-character", file(GOOD.replace(b"w", b"\x01")), "JSON escapes control characters."),
    ("a-raw-newline", file(GOOD.replace(b"w", b"\n")), "JSON escapes line ends in texts."),
    ("a-list", file(b"[1]"), "The header is an object."),
    ("a-text", file(b'"{}"'), "The header is an object."),
    ("nested-too-deep", file(b'{"w":' + b"[" * 200_000), "A parser that recurses must not fall over."),
    ("nested-objects", file(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b""), "A parser that recurses must not fall over."),
    ("overlong-slash", file(GOOD.replace(b"w", b"\xc0\xaf")), "UTF-8 has one way to write a character."),
    ("beyond-unicode", file(GOOD.replace(b"w", b"\xf4\x90\x80\x80")), "Unicode ends at 10FFFF."),
    ("half-a-character", file(GOOD.replace(b"w", b"\xe2\x82")), "A character is cut short."),
    ("surrogate-in-utf-8", file(GOOD.replace(b"w", b"\xed\xa0\x80")), "Surrogates are no characters."),
    ("surrogate-escaped", file(GOOD.replace(b"w", rb"\udfff")), "A lone surrogate is no character."),
    ("surrogates-turned", file(GOOD.replace(b"w", rb"\udc00\ud800")), "Two surrogates in the wrong order are none."),
    ("half-an-escape", file(GOOD.replace(b"w", rb"\u12")), "An escape has four digits."),
    ("metadata-with-a-surrogate", file(written(r'{"__metadata__": {"a": "\ud800"}, W}')), "It could not be written as UTF-8."),
    ("metadata-key-with-a-surrogate", file(written(r'{"__metadata__": {"\ud800": ""}, W}')), "It could not be written."),
    ("metadata-text", file(written('{"__metadata__": "a", W}')), "Metadata is an object."),
    ("metadata-of-numbers", file(written('{"__metadata__": {"step": 3}, W}')), "Metadata maps text to text."),
    ("metadata-of-null", file(written('{"__metadata__": {"step": null}, W}')), "Metadata maps text to text."),
    ("metadata-nested", file(written('{"__metadata__": {"a": {"b": "c"}}, W}')), "Metadata maps text to text."),
    ("metadata-key-twice", file(written('{"__metadata__": {"a": "1", "a": "2"}, W}')), "Parsers differ on which wins."),
    ("name-twice-and-equal", file(written("{W, W}")), "Parsers differ on which wins."),
    ("name-twice-escaped", file(written(r'{W, "\u0077": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}')), "It is one name."),
    ("dtype-twice", file(GOOD.replace(b'"dtype"', b'"dtype": "I32", "dtype"')), "Parsers differ on which wins."),
    ("shape-twice", file(GOOD.replace(b'"shape"', b'"shape": [1], "shape"')), "Parsers differ on which wins."),
):  # fmt: skip
    FILES.reject(name, data, reason)
