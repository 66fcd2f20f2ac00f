"""An output that is held is shown once, or dropped: when its run is over, when it comes again, or when nobody asks after it."""

import os
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("obstore")

from support.servers.objects import Asked, Objects
from support.servers.surroundings import HURRIED, hurried_server

from gradclip_cli.engine.executors.held_uploads import Drop, HeldOutputs, Hold, Keep, Show, Token
from gradclip_cli.errors import OutputError
from gradclip_cli.storage.remote.uploads import PART

TOKEN: Token = ("run", 0)
DATA = bytes(2 * PART)


@pytest.fixture
def server() -> Iterator[Objects]:
    """A server with a bucket."""
    with hurried_server() as found:
        found.of["bkt/other"] = b""
        yield found


@pytest.fixture
def held(server: Objects) -> Iterator[HeldOutputs]:
    """What holds outputs; nothing is left of them."""
    found = HeldOutputs()
    yield found
    found.drop()
    assert server.uploads == {}


def hold(held: HeldOutputs, token: Token = TOKEN, lease: float = 60.0, *, overwrite: bool = False) -> None:
    """Send an output of two parts, and hold it."""
    fd = os.memfd_create("output")
    try:
        os.write(fd, DATA)
        held.answer(Hold(token, "s3://bkt/g.npz", overwrite, len(DATA), HURRIED, lease), fd)
    finally:
        os.close(fd)


def test_it_is_shown_once(server: Objects, held: HeldOutputs) -> None:
    """Nothing is seen before; then it is, and is held no more."""
    hold(held)
    assert "bkt/g.npz" not in server.of
    assert held.answer(Show(TOKEN)) is True
    assert server.of["bkt/g.npz"] == DATA
    assert held.answer(Show(TOKEN)) is False
    assert held.answer(Keep(frozenset([TOKEN]))) == frozenset()


def test_an_order_that_comes_twice(server: Objects, held: HeldOutputs) -> None:
    """Of two outputs by one token, the first is dropped."""
    hold(held)
    first = set(server.uploads)
    hold(held)
    assert len(server.uploads) == 1
    assert not first & set(server.uploads)
    assert held.answer(Show(TOKEN)) is True


def test_a_run_that_is_over(server: Objects, held: HeldOutputs) -> None:
    """All outputs of a run are dropped together, and none of another."""
    tokens = [TOKEN, ("run", 1), ("other", 0)]
    for token in tokens:
        hold(held, token)
    held.answer(Drop("run"))
    assert held.answer(Keep(frozenset(tokens))) == {("other", 0)}
    assert len(server.uploads) == 1


def test_an_order_of_a_run_that_is_over(server: Objects, held: HeldOutputs) -> None:
    """What is heard of after its run was dropped is not sent at all, as from a process that has only begun."""
    held.answer(Drop("run"))
    before = len(server.asked)
    with pytest.raises(OutputError, match="not wanted any more"):
        hold(held)
    assert len(server.asked) == before


def test_a_run_that_is_over_while_it_is_sent(server: Objects, held: HeldOutputs) -> None:
    """What is dropped while it is sent is an error for who sends it."""

    def wrong(asked: Asked) -> str:
        if "uploads" in asked.query:
            held._of.clear()
        return ""

    server.wrong = wrong
    with pytest.raises(OutputError, match="not wanted any more"):
        hold(held)
    assert server.uploads == {}
    assert held.answer(Show(TOKEN)) is False


def test_a_lease(server: Objects, held: HeldOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output is held until the end of its lease, which begins anew when its client asks after it."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    hold(held, lease=60.0)
    for now[0] in (59.0, 118.0):
        held.drop_expired()
        assert held.answer(Keep(frozenset([TOKEN]))) == {TOKEN}
    now[0] = 179.0
    held.drop_expired()
    assert (held.answer(Keep(frozenset([TOKEN]))), server.uploads) == (frozenset(), {})


def test_an_object_that_has_come_meanwhile(server: Objects, held: HeldOutputs) -> None:
    """What has come meanwhile is not replaced, and the output is dropped."""
    hold(held)
    server.of["bkt/g.npz"] = b"theirs"
    with pytest.raises(OutputError, match="exists; give --overwrite"):
        held.answer(Show(TOKEN))
    assert (server.of["bkt/g.npz"], server.uploads) == (b"theirs", {})
