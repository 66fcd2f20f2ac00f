"""Signals clean up, and wait where they would come at a bad moment."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from gradclip_cli.storage import interrupts


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done instead of ending this process."""
    done: list[str] = []
    cleanups: list[Callable[[], str | None]] = [lambda: done.append("cleaned")]
    monkeypatch.setattr(interrupts, "cleanups", cleanups)
    monkeypatch.setattr(os, "kill", lambda _, number: done.append(signal.Signals(number).name))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return done


def test_a_signal_cleans_up_and_comes_again(ended: list[str]) -> None:
    """A signal is raised once more after the cleaning, so that it ends the process as it would have."""
    interrupts._end(signal.SIGTERM, None)
    assert ended == ["cleaned", "SIGTERM"]


def test_a_held_signal_comes_afterwards(ended: list[str]) -> None:
    """A signal waits for what must not be done by half, and ends the process then."""
    with interrupts.deferred():
        interrupts._end(signal.SIGINT, None)
        assert ended == []
    assert ended == ["cleaned", "SIGINT"]


def test_nothing_is_held_without_a_signal(ended: list[str]) -> None:
    """Where no signal came, nothing is ended."""
    with interrupts.deferred():
        pass
    assert ended == []


def test_a_signal_waits_for_whoever_holds_it(ended: list[str]) -> None:
    """Where several threads hold signals, one comes when the last of them is done."""
    with interrupts.deferred():
        with interrupts.deferred():
            interrupts._end(signal.SIGTERM, None)
        assert ended == []
    assert ended == ["cleaned", "SIGTERM"]


def test_a_second_signal_does_not_wait_for_others(
    ended: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a step may take long, the first signal says so, its echo is one with it, and one that comes later ends the program."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(interrupts, "_waiting", [])
    with interrupts.deferred("the store is asked"):
        for seconds, done in ((0.0, []), (0.2, []), (1.0, ["cleaned", "SIGINT"])):
            clock[0] += seconds
            interrupts._end(signal.SIGINT, None)
            assert ended == done
        interrupts._waiting.clear()
    assert capfd.readouterr().err == "note: the store is asked\n"


def test_what_cleaning_up_has_to_say(ended: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """What a cleanup returns is a line of standard error, printable, before the program ends; others say nothing."""
    interrupts.cleanups += [lambda: "left: a\x1b\nb", lambda: None]
    interrupts._end(signal.SIGINT, None)
    assert ended == ["cleaned", "SIGINT"]
    assert capfd.readouterr().err == "note: left: a\\x1b\\nb\n"


def test_the_last_cleanup_comes_first(ended: list[str]) -> None:
    """What came later is stopped before what came earlier is cleaned up: those who write before the files that they write."""
    interrupts.cleanups.append(lambda: ended.append("stopped"))
    interrupts._end(signal.SIGTERM, None)
    assert ended == ["stopped", "cleaned", "SIGTERM"]
