"""Every range of an object is of the state that was first seen, and as long as it should be, or an error of ours."""

import pytest
from support.servers.objects import Objects, every

from gradclip_cli.errors import InputError
from gradclip_cli.storage.remote.client import client
from gradclip_cli.storage.remote.objects import objects
from gradclip_cli.storage.remote.ranges import PART, Ranges
from gradclip_cli.storage.remote.settings import current, using
from gradclip_cli.storage.remote.urls import parsed

URL = "s3://bkt/g.npz"
DATA = bytes(range(256)) * (5 * PART // 256)


@pytest.fixture
def ranges(server: Objects) -> Ranges:
    """The ranges of an object of five parts."""
    server.of["bkt/g.npz"] = DATA
    url = parsed(URL)
    meta = client(url).head(url.key)
    server.asked.clear()
    return Ranges(URL, client(url), url.key, meta)


def fetched(ranges: Ranges, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop`."""
    out = bytearray(stop - start)
    ranges.fetch_into(start, memoryview(out))
    return bytes(out)


def test_a_long_range_comes_in_parts_side_by_side(server: Objects, ranges: Ranges) -> None:
    """A range of five parts is five requests, each for the state that was seen first."""
    assert fetched(ranges, 3, len(DATA)) == DATA[3:]
    assert len(server.asked) == 5
    assert {asked.if_match for asked in server.asked} == {server.tag("bkt/g.npz")}


@pytest.mark.parametrize("wrong", ["", "no match"])
def test_a_changed_object(server: Objects, ranges: Ranges, wrong: str) -> None:
    """An object that was replaced is noticed, also by a server that does not look at If-Match."""
    server.of["bkt/g.npz"] = DATA[::-1]
    server.wrong = lambda asked: wrong
    with pytest.raises(InputError, match="changed while it was read"):
        fetched(ranges, 0, 10)


def test_a_deleted_object(server: Objects, ranges: Ranges) -> None:
    """An object that is gone has changed."""
    del server.of["bkt/g.npz"]
    server.of["bkt/other"] = b""
    with pytest.raises(InputError, match="changed while it was read"):
        fetched(ranges, 0, 10)


@pytest.mark.parametrize("wrong", ["503", "429", "cut"])
def test_passing_errors(server: Objects, ranges: Ranges, wrong: str) -> None:
    """What goes wrong with every third request only is tried again, and the bytes are right."""
    server.wrong = every(3, wrong)
    assert b"".join(fetched(ranges, at, at + 1000) for at in range(0, 12_000, 1000)) == DATA[:12_000]
    assert 16 <= len(server.asked) <= 18


def test_a_range_that_is_refused_once(server: Objects, ranges: Ranges) -> None:
    """A range that lies in the object and is refused all the same is asked for once more."""
    server.wrong = every(2, "416")
    server.asked.clear()
    assert fetched(ranges, 0, 10) + fetched(ranges, 10, 20) == DATA[:20]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("wrong", "reason", "requests"),
    [
        ("short", "ends early", 2),
        ("416", "ends early", 2),
        ("no range", "sends whole files only", 1),
        ("403", r"may not be read \(403\); check AWS_ACCESS_KEY_ID and what", 1),
        ("401", "does not know who asks", 1),
        ("301", "another region; set AWS_REGION", 1),
        ("400", r"the server refuses it \(400\)", 2),
        ("503", r"did not answer \(503, 5 tries in [\d.]+ m?s\); try again", 5),
        ("cut", "broke off its answer", 5),
    ],
)
def test_lasting_errors(server: Objects, ranges: Ranges, wrong: str, reason: str, requests: int) -> None:
    """What does not pass is one line, after no more requests than make sense, with nothing of the library's insides."""
    server.wrong = lambda asked: wrong
    with pytest.raises(InputError, match=reason) as caught:
        fetched(ranges, 0, 1000)
    assert str(caught.value).startswith(URL)
    assert "Debug" not in str(caught.value)
    assert "unspoken" not in str(caught.value)
    assert len(server.asked) == requests


def test_a_server_that_stalls(server: Objects) -> None:
    """No byte for as long as the timeout says ends a request, which is tried again."""
    from gradclip_cli.storage.remote.settings import Settings, using

    server.of["bkt/g.npz"] = DATA
    seen = iter(range(10))
    server.wrong = lambda asked: "stall" if next(seen) == 0 else ""
    with using(Settings(timeout=0.2, pause=0.001)):
        assert objects().size(URL) == len(DATA)
    assert len(server.asked) == 2


def test_a_server_that_lies_about_the_size(server: Objects) -> None:
    """A size that the object does not have is an early end."""
    server.of["bkt/small"] = b"x" * 100
    server.wrong = lambda asked: "lie"
    with pytest.raises(InputError, match="ends early"):
        objects().open("s3://bkt/small")


def test_no_request_after_an_error(server: Objects, ranges: Ranges) -> None:
    """When a part fails, those that have not begun are not asked for any more."""
    server.wrong = lambda asked: "403" if asked.range and asked.range.startswith("bytes=0-") else "stall"
    with using(current()._replace(connections=2)), pytest.raises(InputError, match="403"):
        fetched(ranges, 0, len(DATA))
    assert len(server.asked) <= 3
