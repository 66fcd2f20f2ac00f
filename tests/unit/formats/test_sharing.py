"""One child serves a call: it starts when it is first asked for, and ends with the last of its users."""

from typing import cast

import pytest

from gradclip_cli.formats.hdf5 import child as children
from gradclip_cli.formats.sharing import Sharing


class FakeChild:
    """What stands in for a process; it says what became of it."""

    def __init__(self, service: str) -> None:
        self.service, self.is_ours, self.stopped = service, True, 0

    def stop(self) -> None:
        """Count how often it was stopped."""
        self.stopped += 1


@pytest.fixture
def sharing(monkeypatch: pytest.MonkeyPatch) -> Sharing:
    """Share what starts no process."""
    monkeypatch.setattr(children, "Child", FakeChild)
    return Sharing()


def asked(sharing: Sharing) -> FakeChild:
    """Ask for the child."""
    return cast("FakeChild", sharing.child())


def test_all_users_have_the_same_child(sharing: Sharing) -> None:
    """The child is started once, and runs the service that answers for HDF5 files."""
    sharing.join()
    sharing.join()
    assert asked(sharing) is asked(sharing)
    assert asked(sharing).service == "gradclip_cli.formats.hdf5.answers:start"


def test_the_last_user_ends_it(sharing: Sharing) -> None:
    """As long as somebody may ask again, the child stays; the next call has a new one."""
    sharing.join()
    sharing.join()
    first = asked(sharing)
    sharing.leave()
    assert (first.stopped, asked(sharing) is first) == (0, True)
    sharing.leave()
    assert first.stopped == 1
    sharing.join()
    assert asked(sharing) is not first


def test_who_asks_nothing_starts_nothing(sharing: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without HDF5 files starts no process, and has none to end."""
    monkeypatch.setattr(children, "Child", lambda _: pytest.fail("started"))
    sharing.join()
    sharing.leave()


def test_a_child_that_has_ended_is_replaced(sharing: Sharing) -> None:
    """A child that died of a damaged file, or belongs to the process before a fork, is not asked again."""
    sharing.join()
    first = asked(sharing)
    first.is_ours = False
    assert asked(sharing) is not first
