"""One child serves a call: it starts when it is first asked for, and ends with the last call."""

from typing import cast

import pytest

from gradclip_cli.formats.hdf5.child import Child, SharedChild
from gradclip_cli.formats.sharing import Calls


class FakeChild:
    """Stands in for a process; says what became of it."""

    def __init__(self) -> None:
        self.is_ours, self.stopped = True, 0

    def stop(self) -> None:
        """Count how often it was stopped."""
        self.stopped += 1


@pytest.fixture
def calls() -> Calls:
    """Count the calls of one test."""
    return Calls()


@pytest.fixture
def shared(calls: Calls) -> SharedChild:
    """Share what starts no process."""
    return SharedChild(calls, lambda: cast("Child", FakeChild()))


def asked(shared: SharedChild) -> FakeChild:
    """Ask for the child."""
    return cast("FakeChild", shared.get())


def test_all_calls_have_the_same_child(calls: Calls, shared: SharedChild) -> None:
    """The child is started once."""
    calls.join()
    calls.join()
    assert asked(shared) is asked(shared)


def test_the_last_call_ends_it(calls: Calls, shared: SharedChild) -> None:
    """As long as somebody may ask again, the child stays; the next call has a new one."""
    calls.join()
    calls.join()
    first = asked(shared)
    calls.leave()
    assert (first.stopped, asked(shared) is first) == (0, True)
    calls.leave()
    assert first.stopped == 1
    calls.join()
    assert asked(shared) is not first


def test_who_asks_nothing_starts_nothing(calls: Calls) -> None:
    """A call without HDF5 files starts no process, and has none to end."""
    SharedChild(calls, lambda: pytest.fail("started"))
    calls.join()
    calls.leave()


def test_a_child_that_has_ended_is_replaced(calls: Calls, shared: SharedChild) -> None:
    """A child that died of a damaged file, or belongs to the process before a fork, is not asked again, and stops once."""
    calls.join()
    first = asked(shared)
    first.is_ours = False
    second = asked(shared)
    assert second is not first
    calls.leave()
    assert second.stopped == 1
