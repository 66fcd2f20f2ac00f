"""The scripts of a page are made in another process while a run is read, and here where that cannot be."""

import subprocess
import sys
from typing import Any

import pytest
from support.matrices import heavy

from gradclip_cli.render.html import bundling, drawing
from gradclip_cli.storage.interrupts import cleanups


@heavy
def test_another_process_makes_the_same_scripts() -> None:
    """They are byte for byte those that are made here."""
    pytest.importorskip("vl_convert")
    with bundling.bundling() as scripts:
        assert scripts() == drawing.scripts()


def test_a_process_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the scripts are not wanted in the end, nothing is waited for, and nothing is left to clean up."""
    started, start = [], subprocess.Popen

    def kept(*given: Any, **named: Any) -> "subprocess.Popen[bytes]":
        started.append(start(*given, **named))
        return started[0]

    monkeypatch.setattr(bundling, "_CODE", "import time; time.sleep(600)")
    monkeypatch.setattr(subprocess, "Popen", kept)
    before = [*cleanups]
    with bundling.bundling():
        during = len(cleanups)
    assert (during, cleanups) == (len(before) + 1, before)
    assert started[0].returncode == -9


@pytest.mark.parametrize("fault", ["ends", "frozen", "no process"])
def test_scripts_are_made_here_where_no_process_makes_them(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that fails, a program with Python inside, and a system without room for another process change nothing."""

    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(bundling, "_CODE", "raise SystemExit(1)")
    monkeypatch.setattr(bundling, "scripts", lambda: "made here")
    if fault == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    if fault == "no process":
        monkeypatch.setattr(subprocess, "Popen", refused)
    with bundling.bundling() as scripts:
        assert scripts() == "made here"
