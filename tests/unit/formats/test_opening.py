"""A file is opened by its content, or refused with advice."""

from pathlib import Path

import pytest
from support.tensors import read_all

from gradclip_cli.errors import InputError


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"", "it is empty"),
        (b"\x80\x02}q\x00.", "a pickle is never loaded"),
        (b"<!doctype html>", "HTML page"),
        (b"hello, world", "is none of safetensors"),
    ],
)
def test_what_is_no_dump_gets_advice(tmp_path: Path, data: bytes, advice: str) -> None:
    """A file of no known format is refused by its content, with what to do about it."""
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=advice):
        read_all(tmp_path / "a.safetensors")


def test_a_pickle_is_known_by_its_suffix(tmp_path: Path) -> None:
    """A file called as PyTorch calls its own is never unpickled, whatever it begins with."""
    (tmp_path / "a.pt").write_bytes(b"\x80\x04\x95")
    with pytest.raises(InputError, match="a pickle is never loaded"):
        read_all(tmp_path / "a.pt")
