"""A large header is parsed in pieces, and read exactly as a small one is: the same tensors, or the same refusal."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from support.tensors import read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Headers, Options
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.safetensors import large_header, reader
from gradclip_cli.formats.safetensors.header import Header, parse_header
from gradclip_cli.formats.safetensors.large_header import parse_large
from gradclip_cli.spec_table import SpecTable
from unit.formats.safetensors.made import entry, write
from unit.formats.safetensors.test_header import BROKEN, HEADERS

NAMES = (
    'a]},"',
    "b\\",
    'c"d',
    "{e",
    "}, ",
    "ü",
    "\N{SNOWMAN}",
    "\N{PILE OF POO}",
    "",
    "f\nf",
    "\0",
    "w.0",
    "layers.10.x",
)
WIDTHS = {"F64": 8, "F32": 4, "BF16": 2, "I8": 1, "C64": 8, "BOOL": 1}


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut headers wherever they can be cut, or might seem to."""
    monkeypatch.setattr(large_header, "_PIECE", 1)


def random_header(seed: int) -> tuple[bytes, int]:
    """A header of random tensors in random order, in random spelling, and the size of its file."""
    chance, end = random.Random(seed), 0
    entries: list[tuple[str, Any]] = []
    for k in range(chance.randrange(1, 12)):
        code, shape = chance.choice([*WIDTHS]), chance.choice([[], [0], [3], [2, 3], [4, 0]])
        size = WIDTHS[code]
        for one in shape:
            size *= one
        own: dict[str, Any] = {"dtype": code, "shape": shape, "data_offsets": [end, end + size]}
        if chance.random() < 0.1:
            own |= {"x": chance.choice([{}, {"y": [1, {"z": None}]}, 'q"},"', 1.5, -1])}
        entries.append((f"{chance.choice(NAMES)}{k}", own))
        end += size
    if chance.random() < 0.5:
        entries.append(("__metadata__", chance.choice([None, {}, {"a": 'b"},"c', "d": "ü"}])))
    chance.shuffle(entries)
    how: dict[str, Any] = chance.choice([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])
    data = json.dumps(dict(entries), **how).encode() + b" " * chance.choice([0, 3, 70])
    return data, 8 + len(data) + end


def damaged(data: bytes, seed: int) -> bytes:
    """A header with a few bytes taken out, doubled or replaced."""
    chance, found = random.Random(seed), bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(1, len(found))
        stop = min(len(found), start + chance.choice([1, 1, 2, 30, 90]))
        part = chance.choice(
            [b"", bytes(found[start:stop]) * 2, chance.choice([b'"', b"}", b",", b"{", b"-0", b"NaN", b"\xff"])]
        )
        found[start:stop] = part
    return bytes(found)


def whole(data: bytes, size: int) -> Header | None:
    """What the parser of small headers makes of it; None if it refuses it."""
    try:
        return parse_header(data, size, "a")
    except InputError:
        return None


def assert_alike(found: Header | None, expected: Header | None) -> None:
    """What was parsed in pieces is what was parsed whole; None leaves it to the other."""
    if found is not None:
        assert expected is not None
        assert list(found.tensors) == list(expected.tensors)
        assert (found.begin, found.metadata, found.packed) == (expected.begin, expected.metadata, expected.packed)


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_random_headers(first: int, small_pieces: None) -> None:
    """Whatever names, white space and nesting a header has, its pieces give what it gives whole."""
    for seed in range(first, first + 100):
        data, size = random_header(seed)
        expected = whole(data, size)
        assert expected is not None, seed
        assert_alike(parse_large(data, size, "a"), expected)


@pytest.mark.parametrize("first", [b" ", b"x", b"[", b"\0"])
def test_it_begins_with_a_brace(first: bytes) -> None:
    """Pieces are put into braces of their own, so the first byte is looked at by itself."""
    data, size = random_header(0)
    assert parse_large(first + data[1:], size, "a") is None


@pytest.mark.parametrize("first", range(0, 1500, 100))
def test_damaged_headers(first: int, small_pieces: None) -> None:
    """What the strict parser refuses is never taken; what it takes is the same."""
    for seed in range(first, first + 100):
        data, size = random_header(seed // 5)
        broken = damaged(data, seed)
        size += len(broken) - len(data)
        assert_alike(parse_large(broken, size, "a"), whole(broken, size))


@pytest.mark.parametrize("piece", [1, 100, 1 << 18])
def test_a_usual_header_becomes_a_table(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing about a header as libraries write it is left to the other parser, at whatever places it is cut."""
    monkeypatch.setattr(large_header, "_PIECE", piece)
    names = [f"layers.{k}.w" for k in range(200)]
    header = {"__metadata__": {"format": "pt"}} | {name: entry(4 * k, 4 * k + 4) for k, name in enumerate(names)}
    for how in ({}, {"separators": (",", ":")}, {"indent": 2}):
        data = json.dumps(header, **how).encode() + b"   "
        found = parse_large(data, 8 + len(data) + 800, "a")
        assert found is not None
        assert isinstance(found.tensors, SpecTable)
        assert list(found.tensors.names) == names
        assert [spec.offset for spec in found.tensors] == [8 + len(data) + 4 * k for k in range(200)]
        assert (found.begin, found.metadata) == (8 + len(data), {"format": "pt"})


@pytest.mark.parametrize("case", BROKEN)
def test_a_large_broken_file_is_refused_with_its_reason(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with a large header is said in the words for a small one."""
    path = write(tmp_path, *BROKEN[case][:2])
    with pytest.raises(InputError) as expected:
        read_all(path)
    monkeypatch.setattr(reader, "_LARGE", 0)
    with pytest.raises(InputError, match=BROKEN[case][2]) as caught:
        read_all(path)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize("case", HEADERS)
def test_what_is_allowed_in_a_small_header_is_in_a_large_one(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd spellings are read, or refused, whatever the size of the header."""
    text, allowed = HEADERS[case]
    own = '"w": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    path = write(tmp_path, text.replace("W", own).encode(), b"abcd")
    monkeypatch.setattr(reader, "_LARGE", 0)
    if allowed:
        assert [*read_all(path)] == ["w"]
    else:
        with pytest.raises(InputError):
            read_all(path)


def test_the_bytes_of_a_large_header_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files with the same header share the table, and what tells them from others takes no more than a digest."""
    monkeypatch.setattr(reader, "_LARGE", 0)
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    data = write(tmp_path, {f"w{k}": entry(4 * k, 4 * k + 4) for k in range(100)}, bytes(400)).read_bytes()
    headers, tables = Headers(), []
    for path in paths:
        path.write_bytes(data)
        with opened(str(path), Options(headers=headers)) as (_, found):
            tables.append(found.tensors)
    assert tables[0] is tables[1]
    assert len(headers._last[0][1]) == 64  # type: ignore[index]
