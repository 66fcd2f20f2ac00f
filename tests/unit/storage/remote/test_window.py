"""What is expected is fetched ahead in its order, within a limit for all files, and dropped when it was read."""

from collections.abc import Iterator
from concurrent.futures import Future
from itertools import pairwise

import pytest

from gradclip_cli.storage.remote import window
from gradclip_cli.storage.remote.ranges import PART, Parts
from gradclip_cli.storage.remote.settings import Settings, using
from gradclip_cli.storage.remote.window import Window, copied, cut_spans

SIZE = 100 * PART


class Counted:
    """Stands in for the ranges of an object: every request is answered at once, and counted."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []

    def begin(self, start: int, stop: int) -> "Future[Parts]":
        """Answer with bytes that say where they stood, in two parts."""
        self.begun.append((start, stop))
        future = Future[Parts]()
        data = bytes(at % 251 for at in range(start, min(stop, start + 300))).ljust(stop - start, b"\0")
        future.set_result([memoryview(data[:70]), memoryview(data[70:])])
        return future


@pytest.fixture
def counted() -> Iterator[Counted]:
    """Requests that are counted, four at once."""
    with using(Settings(connections=4)):
        yield Counted()
    assert window._room._held == 0


def read(ahead: Window, start: int, nbytes: int) -> bytes:
    """Bytes by way of the window."""
    out = bytearray(nbytes)
    copied(ahead.parts(start, start + nbytes), start, memoryview(out))
    return bytes(out)


def test_no_more_is_fetched_than_there_is_room_for(counted: Counted) -> None:
    """Of a hundred parts four are under way; each that was read makes room for the next, and none is asked for twice."""
    ahead = Window(counted)  # type: ignore[arg-type]
    ahead.expect([(0, SIZE)], SIZE)
    assert counted.begun == [(at * PART, (at + 1) * PART) for at in range(4)]
    for at in range(0, SIZE, PART):
        assert read(ahead, at, PART)[:2] == bytes((at % 251, (at + 1) % 251))
        assert len(counted.begun) == min(at // PART + 5, 100)
    ahead.clear()
    assert len(set(counted.begun)) == len(counted.begun) == 100


def test_more_comes_after_what_is_expected(counted: Counted) -> None:
    """What is announced later is fetched after the rest, and drops none of it."""
    ahead = Window(counted)  # type: ignore[arg-type]
    ahead.expect([(0, PART), (2 * PART, PART)], SIZE)
    ahead.expect_also([(4 * PART, PART)], SIZE)
    ahead.expect_also([(6 * PART, 2 * PART)], SIZE)
    assert counted.begun == [(at * PART, (at + 1) * PART) for at in (0, 2, 4, 6)]
    for at in (4, 0, 6, 2, 7):
        assert read(ahead, at * PART, PART)[:2] == bytes((at * PART % 251, (at * PART + 1) % 251))
    assert len(set(counted.begun)) == len(counted.begun) == 5
    ahead.clear()


def test_two_files_share_the_room(counted: Counted) -> None:
    """What one file holds ahead, another may not; what it reads it gets all the same."""
    first, second = Window(counted), Window(counted)  # type: ignore[arg-type]
    first.expect([(0, SIZE)], SIZE)
    second.expect([(0, SIZE)], SIZE)
    assert len(counted.begun) == 4
    assert len(read(second, 0, 10)) == 10
    first.clear()
    second.clear()


def test_what_is_not_expected_is_asked_for(counted: Counted) -> None:
    """A range of which the middle is expected is that part, and what lies around it."""
    ahead = Window(counted)  # type: ignore[arg-type]
    ahead.expect([(100, 50)], SIZE)
    assert ahead.holds(100, 150)
    assert not ahead.holds(99, 150)
    assert read(ahead, 50, 200) == bytes(at % 251 for at in range(50, 250))
    assert counted.begun == [(100, 150), (50, 100), (150, 250)]
    ahead.clear()


def test_what_is_passed_over_is_dropped(counted: Counted) -> None:
    """Parts that were expected and are not read make room once those long after them are read."""
    ahead = Window(counted)  # type: ignore[arg-type]
    ahead.expect([(0, SIZE)], SIZE)
    for at in range(40 * PART, 60 * PART, PART):
        read(ahead, at, PART)
    assert counted.begun[-1][0] >= 59 * PART
    ahead.clear()


def test_what_is_expected_again_is_not_asked_for_again(counted: Counted) -> None:
    """Requests under way serve those who expect the same ranges again, also one that is expected twice; no room is lost."""
    ahead = Window(counted)  # type: ignore[arg-type]
    twice = [(0, 100), (1 << 20, 100), (0, 100)]
    ahead.expect(twice, SIZE)
    assert len(counted.begun) == 3
    ahead.expect(twice[:2], SIZE)
    assert len(counted.begun) == 3
    assert read(ahead, 0, 100) == bytes(range(100))
    ahead.clear()


def test_spans_are_joined_and_cut() -> None:
    """Spans that follow each other closely become parts of one size; those far apart stay as they are."""
    found = list(cut_spans([(at, at + 1000) for at in range(0, 5 * PART, 1000)]))
    assert [stop - start for start, stop, _ in found][:4] == [PART] * 4
    assert all(stop == start for (_, stop, _), (start, *_) in pairwise(found))
    assert list(cut_spans([(9_000_000, 9_000_010), (0, 10)])) == [(9_000_000, 9_000_010, 10), (0, 10, 10)]


def test_what_lies_between_is_not_waited_for(counted: Counted) -> None:
    """A part is dropped once the spans in it are read: what was fetched between them, as headers are, holds no room."""
    spans = [(at, PART // 2 - 1000) for at in range(0, SIZE, PART // 2)]
    assert sum(wanted for *_, wanted in cut_spans((at, at + nbytes) for at, nbytes in spans)) == 200 * (
        PART // 2 - 1000
    )
    ahead = Window(counted)  # type: ignore[arg-type]
    ahead.expect(spans, SIZE)
    for at, nbytes in spans:
        read(ahead, at, nbytes)
        assert at >= SIZE - 4 * PART or len(counted.begun) >= (at + nbytes) // PART + 4
    assert window._room._held == 0
    ahead.clear()
