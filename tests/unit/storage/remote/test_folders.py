"""Folders are listed once for all questions of a moment, and anew after something was written."""

from support.servers.objects import Objects

from gradclip_cli.storage.remote.folders import Folders
from gradclip_cli.storage.remote.urls import parsed

URL = "s3://bkt/run"


def test_what_was_heard_is_kept_for_a_moment(server: Objects) -> None:
    """A second question is answered without a request, until the first answer is forgotten."""
    server.of |= {"bkt/run/a.npz": b"x", "bkt/run/sub/b.npz": b""}
    folders = Folders()
    for _ in range(2):
        found = folders.listing(parsed(URL), URL)
        assert (list(found.files), found.folders) == (["a.npz"], ["sub"])
    assert len(server.asked) == 1
    folders.forget()
    folders.listing(parsed(URL), URL)
    assert len(server.asked) == 2


def test_what_a_folder_above_lacks_is_known_to_be_empty(server: Objects) -> None:
    """Nothing is in a folder that the one above does not list; of one that it lists, nothing is known yet."""
    server.of |= {"bkt/run/a.npz": b"x", "bkt/run/sub/b.npz": b""}
    folders = Folders()
    assert folders.known_around(parsed("s3://bkt/run/a.npz")) is None
    folders.listing(parsed(URL), URL)
    around = folders.known_around(parsed("s3://bkt/run/none/deep/c.npz"))
    assert around is not None
    assert around.files == {}
    assert folders.known_around(parsed("s3://bkt/run/sub/b.npz")) is None
