"""What a location is, is asked of the store that it is in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.memory_store import MemoryStore, memory_store

from gradclip_cli.errors import InputError, OutputError, UsageError
from gradclip_cli.storage import locations
from gradclip_cli.storage.fingerprint import fingerprint_of


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """A store with two files in a folder, and one below it."""
    with memory_store() as store:
        store.files |= {"memory://b/run/x": b"x" * 10, "memory://b/run/y": b"y", "memory://b/run/inner/z": b""}
        yield store


def test_a_path_is_asked_of_the_system(tmp_path: Path) -> None:
    """What is said of paths is what `os` says, and of what is not there nothing is."""
    (tmp_path / "folder").mkdir()
    file, link, dead = tmp_path / "file", tmp_path / "link", tmp_path / "dead"
    file.write_bytes(b"12345")
    link.symlink_to(file)
    dead.symlink_to(tmp_path / "nothing")
    assert locations.is_file(str(link))
    assert locations.is_folder(str(tmp_path / "folder"))
    assert locations.exists(str(dead))
    assert not locations.is_file(str(dead))
    assert locations.size(str(file)) == 5
    assert locations.identity(str(file)) == locations.identity(str(link))
    assert sorted(locations.names(str(tmp_path))) == ["dead", "file", "folder", "link"]
    assert list(locations.blocks(str(file), 2)) == [b"12", b"34", b"5"]
    with pytest.raises(FileNotFoundError):
        locations.size(str(dead))


def test_a_url_is_asked_of_its_store(store: MemoryStore) -> None:
    """A prefix is a folder, with a slash at its end or without; what is below it is listed once."""
    assert locations.is_folder("memory://b/run")
    assert locations.is_folder("memory://b/run/")
    assert not locations.is_file("memory://b/run")
    assert sorted(locations.names("MEMORY://b/run".lower())) == ["inner", "x", "y"]
    assert locations.size("memory://b/run/x") == 10
    assert list(locations.blocks("memory://b/run/x", 4)) == [b"xxxx", b"xxxx", b"xx"]
    assert locations.identity("memory://b/run/x") != locations.identity("memory://b/run/y")


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "https", "hf"])
def test_a_store_may_need_an_extra(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A known scheme without its library names the extra to install."""
    monkeypatch.setattr(locations, "find_spec", lambda name: None)
    locations.loaded.cache_clear()
    with pytest.raises(UsageError, match=rf"{scheme}:// needs obstore; pip install 'gradclip-cli\[remote\]'"):
        locations.exists(f"{scheme}://bucket/key")


def test_other_schemes_are_refused() -> None:
    """An unknown scheme is an error that names those there are; a path may still be called so."""
    with pytest.raises(UsageError, match=r"ftp:// is not supported, but s3://.* are; a path of that name is \./ftp:/"):
        locations.exists("ftp://host/x.npz")
    assert not locations.exists("./ftp://host/x.npz")


def test_a_change_is_found_in_every_store(tmp_path: Path, store: MemoryStore) -> None:
    """A file with another state than before, or that is gone, is an error."""
    path = tmp_path / "x"
    path.write_bytes(b"1")
    before = fingerprint_of(str(path)), store.fingerprint("memory://b/run/x")
    for location, state in zip((str(path), "memory://b/run/x"), before, strict=True):
        locations.check_same(location, state)
    path.write_bytes(b"22")
    store.files["memory://b/run/x"] = b"22"
    for location, state in zip((str(path), "memory://b/run/x"), before, strict=True):
        with pytest.raises(InputError, match="changed while it was read"):
            locations.check_same(location, state)
    with pytest.raises(InputError):
        locations.check_same("memory://b/run/gone", before[1])


def test_a_fingerprint_is_the_same_on_other_machines(tmp_path: Path) -> None:
    """The device, which each machine numbers by itself, is no part of what is compared between them."""
    path = tmp_path / "x"
    path.write_bytes(b"1")
    here = fingerprint_of(str(path))
    assert here._replace(device=here.device + 1 if isinstance(here.device, int) else 0).anywhere == here.anywhere
    assert here._replace(version=0).anywhere != here.anywhere


def test_what_outputs_go_into(store: MemoryStore, tmp_path: Path) -> None:
    """A folder takes them; so does a URL that ends in a slash, since a folder in a store need not be made, but a path must be there."""
    (tmp_path / "there").mkdir()
    for location in ("memory://b/run", "memory://b/new/", f"{tmp_path}/there", f"{tmp_path}/there/"):
        assert locations.takes_outputs(location)
    for location in ("memory://b/new", "memory://b/run/x", f"{tmp_path}/new/", f"{tmp_path}/new"):
        assert not locations.takes_outputs(location)


def test_outputs_do_not_go_below_a_file(store: MemoryStore) -> None:
    """Where several outputs shall go below a URL, it is that of no file; a folder need not be there."""
    for url in ("memory://b/run/x", "memory://b/run/x/"):
        with pytest.raises(OutputError, match="is a file; give a directory"):
            locations.check_output_folder(url)
    for url in ("memory://b/run", "memory://b/new/", "here"):
        locations.check_output_folder(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memory://b/run/x", "exists; give --overwrite"),
        ("memory://b/run", "is a directory"),
        ("memory://b/new/", "ends in a slash"),
        ("memory://read-only/x", "may not be written"),
    ],
)
def test_an_output_that_cannot_be(store: MemoryStore, url: str, why: str) -> None:
    """A URL is refused before anything is read if nothing can be written there."""
    with pytest.raises(OutputError, match=why):
        locations.check_output(url, overwrite=False)
    locations.check_output("memory://b/run/x", overwrite=True)
