"""Attributes are texts where they hold one text or one number, and nothing else is read of them."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gradclip_cli.formats.base import Options
from gradclip_cli.formats.hdf5.attributes import text_of, texts_of
from gradclip_cli.formats.opening import opened

READ = {
    "text": ("Größe", "Größe"),
    "bytes": (np.bytes_(b"abc"), "abc"),
    "integer": (1024, "1024"),
    "large": (np.int64(2**62 + 1), "4611686018427387905"),
    "half": (np.float16(0.125), "0.125"),
    "single": (np.float32(0.1), "0.10000000149011612"),
    "double": (65536.0, "65536.0"),
    "infinite": (np.inf, "inf"),
    "logical": (True, "True"),
    "one of a list": (np.array([7]), "7"),
    "one text of a list": (np.array(["mean"], h5py.string_dtype()), "mean"),
}
"""Values of attributes, and the texts that they are."""

NOT_READ = {
    "list": [1, 2],
    "texts": ["a", "b"],
    "nothing": h5py.Empty("f4"),
    "no text": h5py.Empty("S5"),
    "complex": 1 + 2j,
    "long": "x" * 1001,
    "long bytes": np.bytes_(b"x" * 1001),
    "latin-1": np.bytes_(b"\xe4"),
    "wide": np.longdouble(1) / 3,
    "record": np.array((1, 2.0), "i4,f4"),
}
"""Values of attributes that are no texts."""


@pytest.mark.parametrize(("value", "text"), READ.values(), ids=READ)
def test_one_text_or_one_number(value: Any, text: str, path: Path) -> None:
    """A number is written such that it reads back as the same float64, a text as it is."""
    with h5py.File(path, "w") as file:
        file.attrs["key"] = value
        assert texts_of(file.id) == {"key": text}


@pytest.mark.parametrize("value", NOT_READ.values(), ids=NOT_READ)
def test_what_is_left_out(value: Any, path: Path) -> None:
    """Lists, nothing, long texts, and what is neither a text nor a number of at most 64 bits are left out."""
    with h5py.File(path, "w") as file:
        file.attrs["key"] = value
        file.attrs["step"] = 3
        assert texts_of(file.id) == {"step": "3"}
        assert text_of(file.id, b"key") is None


def test_only_a_text_is_a_text(path: Path) -> None:
    """A number is no label, and what is not there is none."""
    with h5py.File(path, "w") as file:
        file.attrs["number"], file.attrs["text"] = 3, "three"
        assert [text_of(file.id, name) for name in (b"number", b"text", b"other")] == [None, "three", None]


def test_at_most_256_are_read(path: Path) -> None:
    """A file cannot fill the memory with attributes."""
    with h5py.File(path, "w", libver="latest") as file:
        for k in range(300):
            file.attrs[f"{k:03}"] = k
        assert texts_of(file.id) == {f"{k:03}": str(k) for k in range(256)}


def test_they_are_the_metadata_of_a_file(path: Path) -> None:
    """The attributes of the file itself, and of nothing in it, are its metadata."""
    with h5py.File(path, "w") as file:
        file["w"] = np.ones(3)
        file.attrs["loss_scale"], file.attrs["stage"] = 65536.0, "before-clip"
        file["w"].attrs["step"] = 3
    with opened(str(path), Options()) as (_, reader):
        assert reader.metadata == {"loss_scale": "65536.0", "stage": "before-clip"}
