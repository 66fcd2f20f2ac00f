"""The heads of files that will be opened are fetched ahead, side by side, and each once."""

import pytest
from support.servers.objects import Objects
from support.servers.surroundings import HURRIED

from gradclip_cli.errors import InputError
from gradclip_cli.storage.remote.objects import objects
from gradclip_cli.storage.remote.settings import using

URLS = [f"s3://bkt/run/{k}.npz" for k in range(30)]


def test_heads_are_fetched_side_by_side(server: Objects) -> None:
    """Of thirty files that will be opened, sixteen are asked for at once, and none twice; their order may be another."""
    server.of |= {f"bkt/run/{k}.npz": bytes([k]) for k in range(30)}
    with using(HURRIED):
        objects().expect(URLS)
        assert [objects().open(url).read(0, 1) for url in reversed(URLS[:10])] == [
            bytes([k]) for k in reversed(range(10))
        ]
        assert [objects().open(url).read(0, 1) for url in URLS[10:]] == [bytes([k]) for k in range(10, 30)]
    assert sorted(asked.name for asked in server.asked) == sorted(f"bkt/run/{k}.npz" for k in range(30))


def test_who_looks_and_opens_asks_once(server: Objects) -> None:
    """Whether there is a file, how large it is and its head are one request; who opens it again asks anew."""
    server.of["bkt/g.npz"] = b"abc"
    url = "s3://bkt/g.npz"
    assert objects().exists(url)
    assert objects().size(url) == 3
    objects().expect([url])
    assert objects().open(url).read(0, 3) == b"abc"
    assert len(server.asked) == 1
    server.of["bkt/g.npz"] = b"defg"
    assert objects().open(url).read(0, 4) == b"defg"


def test_an_error_comes_when_the_file_is_opened(server: Objects) -> None:
    """What goes wrong ahead is told of the file that it is about, and the others can be opened."""
    server.of |= {"bkt/run/0.npz": b"a", "bkt/run/1.npz": b"b"}
    server.wrong = lambda asked: "403" if asked.name.endswith("1.npz") else ""
    objects().expect(URLS[:3])
    assert objects().open(URLS[0]).size == 1
    for url, reason in ((URLS[1], "403"), (URLS[2], "does not exist")):
        with pytest.raises(InputError, match=reason) as caught:
            objects().open(url)
        assert caught.value.path == url
