"""Running the command: in this process where the streams allow it, and as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.command import GRADCLIP, NETWORK, Result, Run, Save, save_here

from gradclip_cli.__main__ import main

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def kept_signals() -> Iterator[None]:
    """Give signals back to pytest."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def run(kept_signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process."""

    def run(*argv: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["gradclip", *map(str, argv)])
        monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # click takes its own name from there
        monkeypatch.setattr(os, "_exit", sys.exit)
        with mock.patch.dict(os.environ), pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def spawn() -> Run:
    """Run the command as a process of its own."""

    def spawn(*argv: str | Path, **options: Any) -> Result:
        options = {"capture_output": True, "text": True, "timeout": 60, **options}
        done = subprocess.run([*GRADCLIP, *map(str, argv)], check=False, **options)
        return Result(done.returncode, done.stdout, done.stderr)

    return spawn


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Write dumps into the working directory, which is an empty folder."""
    monkeypatch.chdir(tmp_path)
    return save_here


@pytest.fixture
def network(save: Save) -> Path:
    """Write `g.safetensors`: layers `lstm`, of norm 13, and `head`, of norm 0.5, and a counter."""
    return save("g.safetensors", **NETWORK)
