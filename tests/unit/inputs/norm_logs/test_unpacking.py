"""What gzip has packed is unpacked as the standard library does it, and what is cut short to its last byte."""

import gzip
import io
import random
import zlib

import pytest

from gradclip_cli.inputs.norm_logs.unpacking import Unpacked

DATA = random.Random(1).randbytes(100_000) + bytes(300_000)


def unpacked(packed: bytes, size: int = 5000) -> tuple[bytes, bool]:
    """The content, read in parts, and whether it is cut short."""
    file = Unpacked(io.BufferedReader(io.BytesIO(packed)))
    found = b"".join(iter(lambda: file.read(size) or b"", b""))
    return found, file.cut


@pytest.mark.parametrize("size", [1000, 5000, 1 << 20])
def test_members(size: int) -> None:
    """Members follow each other, with zeros between and behind them."""
    packed = gzip.compress(DATA) + bytes(200_000) + gzip.compress(b"") + gzip.compress(b"end") + bytes(100)
    assert unpacked(packed, size) == (DATA + b"end", False)
    assert unpacked(gzip.compress(b"")) == (b"", False)


@pytest.mark.parametrize("cut", [1, 8, 9, 500, 60_000])
def test_cut_short(cut: int) -> None:
    """What is there is read, and that something lacks is known."""
    found, short = unpacked(gzip.compress(DATA)[:-cut])
    assert short
    assert DATA.startswith(found)
    assert len(found) >= len(DATA) - 300_000 - cut - 1000
    assert cut > 8 or found == DATA


def test_damage() -> None:
    """A checksum that does not match, and what is no gzip behind a member, are errors of zlib."""
    packed = bytearray(gzip.compress(DATA))
    packed[-6] ^= 1
    for damaged in (bytes(packed), gzip.compress(DATA) + b"text"):
        with pytest.raises(zlib.error):
            unpacked(damaged)
