"""What the files of a call share ends with the last call under way."""

from gradclip_cli.formats.sharing import Calls


def test_the_last_call_ends_what_was_shared() -> None:
    """As long as a call is under way, what is shared stays; then each end is called once."""
    calls, ended = Calls(), list[str]()
    calls.join()
    calls.join()
    calls.at_the_end(lambda: ended.append("child"))
    calls.leave()
    assert ended == []
    calls.leave()
    assert ended == ["child"]
    calls.join()
    calls.leave()
    assert ended == ["child"]


def test_a_call_that_shares_nothing_ends_nothing() -> None:
    """A call without anything shared may begin and end at any time."""
    calls = Calls()
    calls.join()
    calls.leave()
    calls.join()
    calls.leave()
