"""URLs are asked what paths are asked: whether they are there, files or folders, what is in them, and how large they are."""

import pytest
from support.servers.objects import Objects

from gradclip_cli.errors import GradclipError, InputError, OutputError, UsageError
from gradclip_cli.storage.remote.objects import Objects as Asked
from gradclip_cli.storage.remote.objects import objects


@pytest.fixture
def run(server: Objects) -> Asked:
    """A folder of two dumps and a folder, in a bucket."""
    server.of |= {
        "bkt/run/a b%20é.npz": b"ab",
        "bkt/run/c.npz": b"c",
        "bkt/run/sub/d.npz": b"",
        "bkt/run/": b"",
        "bkt/e": b"",
    }
    return objects()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize("listed", [False, True])
def test_files_and_folders(run: Asked, scheme: str, listed: bool) -> None:
    """A key is a file, a prefix of keys a folder, with a slash at its end or without; what was listed answers as well."""
    base = f"{scheme}://bkt/run"
    found = {entry.name: entry.is_dir() for entry in run.entries(base)} if listed else None
    assert found in (None, {"a b%20é.npz": False, "c.npz": False, "sub": True})
    for name, kind in (
        ("/c.npz", "file"),
        ("/a b%20é.npz", "file"),
        ("/sub", "folder"),
        ("/sub/", "folder"),
        ("", "folder"),
        ("/no", ""),
    ):
        url = base + name
        assert (run.is_file(url), run.is_folder(url), run.exists(url)) == (kind == "file", kind == "folder", kind != "")
    assert run.is_folder(f"{scheme}://bkt")
    assert (run.size(f"{base}/a b%20é.npz"), run.size(f"{base}/sub/d.npz")) == (2, 0)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(("marker", "kind"), [(b"", "folder"), (b"x", "file")])
def test_a_key_and_a_prefix_of_one_name(server: Objects, listed: bool, marker: bytes, kind: str) -> None:
    """A name is one thing: an empty object marks the folder of its name, as Azure's with a hierarchy do; any other is the file."""
    server.of |= {"bkt/run": marker, "bkt/run/step_1.npz": b"ab", "bkt/empty": b""}
    if listed:
        found = {entry.name: entry.is_dir() for entry in objects().entries("s3://bkt")}
        assert found == {"run": kind == "folder", "empty": False}
    assert (objects().is_file("s3://bkt/run"), objects().is_folder("s3://bkt/run")) == (
        kind == "file",
        kind == "folder",
    )
    assert (objects().is_file("s3://bkt/empty"), objects().is_folder("s3://bkt/empty")) == (True, False)
    assert [entry.name for entry in objects().entries("s3://bkt/run/")] == ["step_1.npz"]


def test_a_listing_tells_states(server: Objects, run: Asked) -> None:
    """The state of a file as a listing has it is that of the file, and takes no request; where it is wanted now, it is asked for."""
    url = "s3://bkt/run/c.npz"
    now = run.fingerprint(url)
    run.entries("s3://bkt/run")
    server.asked.clear()
    assert run.fingerprint(url, recent=True) == now
    assert server.asked == []
    server.of["bkt/run/c.npz"] = b"new"
    assert run.fingerprint(url) != now
    assert run.fingerprint(url, recent=True) == now
    run.forget()
    assert run.fingerprint(url, recent=True) == run.fingerprint(url)


def test_a_thousand_questions_are_one_request(server: Objects, run: Asked) -> None:
    """Once a folder is listed, nothing is asked of its files, nor of what would be in folders that it lacks."""
    run.entries("s3://bkt/run/")
    server.asked.clear()
    for number in range(1000):
        assert not run.exists(f"s3://bkt/run/{number}.npz")
        assert not run.exists(f"s3://bkt/run/none/{number}.npz")
    assert run.size("s3://bkt/run/c.npz") == 1
    assert server.asked == []
    run.open("s3://bkt/run/c.npz")
    assert [asked.range for asked in server.asked] == ["bytes=0-0"]


def test_more_keys_than_one_answer_holds(server: Objects) -> None:
    """A listing goes on until its end."""
    server.of |= {f"bkt/many/step_{k}.npz": b"" for k in range(2500)}
    assert len(objects().entries("s3://bkt/many")) == 2500
    assert len(server.asked) == 3


def test_what_is_not_there(run: Asked) -> None:
    """Asking for what is not there is FileNotFoundError, as of paths; opening it is one line."""
    for ask in (run.entries, run.size, run.identity):
        with pytest.raises(FileNotFoundError):
            ask("s3://bkt/none")
    assert run.identity("S3://bkt/run/c.npz") == run.identity("s3://bkt/run/c.npz")


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ("s3://bkt/none", "s3://bkt/none: does not exist; check the key"),
        ("s3://bkt/run", "s3://bkt/run: is a directory; give a gradient dump"),
        ("s3://nob/k", "s3://nob: no such bucket; check its name and the endpoint"),
        ("SERVER/none.npz", "SERVER/none.npz: does not exist; check the URL"),
        ("hf://me/n/none.npz", "hf://me/n/none.npz: does not exist; check the URL"),
    ],
)
def test_what_cannot_be_opened(server: Objects, run: Asked, location: str, line: str) -> None:
    """Each line names what was asked for, and what to look at."""
    with pytest.raises(InputError) as caught:
        run.open(location.replace("SERVER", server.url))
    assert str(caught.value).replace(server.url, "SERVER") == line


def test_a_folder_that_cannot_be_listed(server: Objects, run: Asked) -> None:
    """A bucket that is not there, a refusal, a key without a name and a web server are errors that say so."""
    server.of["bkt/odd//x"] = b""
    for location, reason in (
        ("s3://nob/run", "no such bucket"),
        ("s3://bkt/odd", "empty part"),
    ):
        with pytest.raises(InputError, match=reason):
            run.entries(location)
    with pytest.raises(NotADirectoryError, match="name each of them"):
        run.entries(server.url)
    server.wrong = lambda asked: "403"
    with pytest.raises(InputError, match="may not be read"):
        run.entries("s3://bkt/run")


@pytest.mark.parametrize(
    ("location", "error", "reason"),
    [
        ("s3://bkt/new.npz", None, ""),
        ("gs://bkt/new/dir/g.npz", None, ""),
        ("s3://bkt/", None, ""),
        ("s3://nob/g.npz", OutputError, "no such bucket"),
        ("https://h/g.npz", UsageError, "can only be read; write to a file, or to s3://"),
        ("hf://me/n/g.npz", UsageError, "can only be read"),
    ],
)
def test_where_outputs_can_go(run: Asked, location: str, error: type[GradclipError] | None, reason: str) -> None:
    """An output, or a folder of outputs, is in a bucket that is there."""
    if error is None:
        run.check_output(location)
        return
    with pytest.raises(error, match=reason):
        run.check_output(location)


def test_who_may_not_list_may_write(server: Objects, run: Asked) -> None:
    """A bucket that may not be listed can be written to all the same."""
    server.wrong = lambda asked: "403"
    run.check_output("s3://bkt/other/g.npz")
