"""Small reads come from blocks, of which the last are kept, and from what lies around the places that were read."""

import random
from concurrent.futures import ThreadPoolExecutor
from errno import ENOSPC

import pytest
from support.servers.objects import Objects

from gradclip_cli.errors import InputError
from gradclip_cli.storage.remote import kept
from gradclip_cli.storage.remote.blocks import BLOCK, MOST, Blocks
from gradclip_cli.storage.remote.client import client
from gradclip_cli.storage.remote.ranges import Ranges
from gradclip_cli.storage.remote.urls import parsed

URL = "s3://bkt/g.h5"
DATA = bytes(range(251)) * ((MOST + 4) * BLOCK // 251)


@pytest.fixture
def blocks(server: Objects) -> Blocks:
    """The blocks of an object of more blocks than are kept."""
    server.of["bkt/g.h5"] = DATA
    url = parsed(URL)
    found = Blocks(Ranges(URL, client(url), url.key, client(url).head(url.key)))
    server.asked.clear()
    return found


def test_reads_within_a_block_are_one_request(server: Objects, blocks: Blocks) -> None:
    """Threads that want the same block wait for one request; a read across two blocks asks for both."""
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda at: blocks.read(at, at + 5), range(0, 8000, 10))) == [
            DATA[at : at + 5] for at in range(0, 8000, 10)
        ]
    assert len(server.asked) == 1
    assert blocks.read(BLOCK - 2, BLOCK + 2) == DATA[BLOCK - 2 : BLOCK + 2]
    assert blocks.read(5, 3 * BLOCK) == DATA[5 : 3 * BLOCK]
    assert len(server.asked) == 3


def test_whoever_goes_through_twice_asks_once(server: Objects, blocks: Blocks) -> None:
    """Places in more blocks than are kept are at hand the second time, the end of the file among them."""
    places = [*range(1000, len(DATA), BLOCK), len(DATA) - 10]
    for _ in range(2):
        assert [blocks.read(at, at + 10) for at in places] == [DATA[at : at + 10] for at in places]
    assert len(server.asked) == -(-len(DATA) // BLOCK)


@pytest.mark.parametrize("has_room", [True, False])
def test_whoever_goes_back_and_forth_fetches_a_file_twice_at_most(
    server: Objects, blocks: Blocks, monkeypatch: pytest.MonkeyPatch, has_room: bool
) -> None:
    """Blocks that memory has no room for are kept on the disk once they are wanted again; without room there, all bytes are right."""

    def full() -> int:
        raise OSError(ENOSPC, "no space left on device")

    if not has_room:
        monkeypatch.setattr(kept, "_temporary", full)
    places = [*range(0, len(DATA) - 10, 10_000)]
    for turn in range(5):
        random.Random(turn).shuffle(places)
        assert all(blocks.read(at, at + 10) == DATA[at : at + 10] for at in places)
    assert (len(server.asked) <= 2 * -(-len(DATA) // BLOCK)) is has_room
    blocks.clear()
    assert blocks.read(5, 10) == DATA[5:10]


def test_a_block_that_failed_is_asked_for_again(server: Objects, blocks: Blocks) -> None:
    """An error is not kept."""
    server.wrong = lambda asked: "403"
    with pytest.raises(InputError):
        blocks.read(0, 10)
    server.wrong = lambda asked: ""
    assert blocks.read(0, 10) == DATA[:10]
