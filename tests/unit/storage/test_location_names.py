"""URLs are taken apart as text, and never seen by what knows paths only."""

import os
from pathlib import Path

import pytest

from gradclip_cli.storage.location_names import absolute, below, common_folder, given, normal, real, without_query


@pytest.mark.parametrize("url", ["s3://b/run//x", "https://h/a/../b?sig=1%2F2", "hf://datasets/o/n@main/x"])
def test_a_url_is_left_as_it_is(url: str) -> None:
    """No key of a URL is changed, but for slashes at its end."""
    assert normal(url) == absolute(url) == real(url) == given(url) == url
    assert normal(f"{url}/") == url


def test_paths_are_what_the_system_makes_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of paths, the same is said as by `os.path`; one that holds `://` is a path if it begins like one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("file")
    assert normal("a//b/../c/") == "a/c"
    assert absolute("./s3://b") == str(tmp_path / "s3:" / "b")
    assert real("link") == os.path.realpath("file")
    assert common_folder(["/a/b/x", "/a/c"]) == "/a"
    assert below("/a/b/x", "/a") == "b/x"


@pytest.mark.parametrize("places", [["s3://b/x", "s3://c/x"], ["s3://b/x", "run/x"], ["s3://b/x", "gs://b/x"]])
def test_what_has_no_folder_in_common(places: list[str]) -> None:
    """Buckets have none in common, and neither have URLs and paths."""
    with pytest.raises(ValueError, match="no folder in common"):
        common_folder(places)


def test_names_are_compared_as_a_whole() -> None:
    """Folders that begin alike are different ones."""
    assert common_folder(["s3://b/run1/x", "s3://b/run10/x", "s3://b/run1/y"]) == "s3://b"
    assert common_folder(["s3://b/run/x"]) == "s3://b/run/x"


def test_a_file_url_is_a_path() -> None:
    """What is escaped in it stands for a byte; a path object is its text."""
    assert given("file:///run/a%20b%FF") == os.fsdecode(b"/run/a b\xff")
    assert given(Path("a") / "b") == "a/b"


def test_a_query_is_no_part_of_a_name() -> None:
    """Only web addresses have queries: elsewhere a question mark is part of a name."""
    assert without_query("HTTPS://h/x.npz?a=b?c") == "HTTPS://h/x.npz"
    assert without_query("http?/x.npz") == "http?/x.npz"
