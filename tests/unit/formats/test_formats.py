"""Formats are found by name and by suffix, and each brings what the others do."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.formats import FORMATS, by_name, by_suffix


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.safetensors", "safetensors"),
        ("run/A.NPZ", "npz"),
        ("a.h5", "hdf5"),
        ("a.hdf5", "hdf5"),
        ("a.weights.h5", "hdf5"),
    ],
)
def test_a_suffix_names_a_format(path: str, name: str) -> None:
    """The last suffix decides, in either case."""
    found = by_suffix(path)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("path", ["a", "a.pt", ".npz/a", "npz", "-"])
def test_other_suffixes_name_none(path: str) -> None:
    """What is no suffix of a format is none."""
    assert by_suffix(path) is None


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_whole(name: str) -> None:
    """A format is called as the registry calls it, and no suffix leads to two of them."""
    found = by_name(name)
    assert found.name == name
    assert [by_suffix(f"a{suffix}") for suffix in found.suffixes] == [found] * len(found.suffixes)
    assert found.suffixes


def test_no_other_name() -> None:
    """A name that no format has is wrong usage, and says which there are."""
    with pytest.raises(UsageError, match=", ".join(FORMATS)):
        by_name("pickle")
