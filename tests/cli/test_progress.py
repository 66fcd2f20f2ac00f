"""The progress bar: on terminals only, for long work only, and gone afterwards."""

import os
import pty
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import GRADCLIP

from gradclip_cli.cli.progress import Bar

IMPATIENT = "import sys; from gradclip_cli.cli import progress; progress.PATIENCE = float(sys.argv.pop(1)); "
RUN = IMPATIENT + "from gradclip_cli.__main__ import main; main()"


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write dumps that take a while: packed ones."""
    folder = tmp_path_factory.mktemp("series")
    noise = np.random.default_rng(0).standard_normal(700_000).astype(np.float32)
    np.savez_compressed(folder / "step0.npz", w=noise)
    for step in range(1, 24):
        shutil.copy(folder / "step0.npz", folder / f"step{step}.npz")
    return folder


class Terminal:
    """A command whose standard error is a terminal; `patience` are the seconds before a bar is drawn."""

    def __init__(self, *argv: str | Path, patience: float = 0.0, **variables: str) -> None:
        self._master, slave = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
        self.process = subprocess.Popen(
            [GRADCLIP[0], "-c", RUN, str(patience), *map(str, argv)],
            stdout=subprocess.PIPE,
            stderr=slave,
            env={**environment, "TERM": "xterm", **variables},
        )
        os.close(slave)

    def parts(self) -> Iterator[str]:
        """Yield what is shown until the end."""
        while True:
            try:
                part = os.read(self._master, 1 << 16)
            except OSError:  # what Linux says when the other end is closed
                break
            if not part:
                break
            yield part.decode(errors="replace")
        os.close(self._master)

    def shown(self) -> str:
        """Return all that is shown."""
        text = "".join(self.parts())
        self.process.communicate(timeout=60)
        return text


def is_clean(shown: str) -> bool:
    """Tell whether the cursor is visible in the end, and the bar's line erased after its last drawing."""
    return shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") and shown.rfind("\x1b[2K") > shown.rfind("━")


def test_a_bar_shows_bytes_rate_time_and_file(series: Path) -> None:
    """Of long work a terminal shows how much is done, how fast, how long it will still take, and on which file."""
    terminal = Terminal("stats", series)
    shown = terminal.shown()
    assert terminal.process.returncode == 0
    assert re.search(r"\d+(\.\d+)?/\d+(\.\d+)? MB", shown)
    assert re.search(r"[\d,]+ [kM]B/s \d:\d\d:\d\d", shown)
    assert re.search(r"step\d+\.npz", shown)
    assert is_clean(shown)


def test_short_work_shows_none(series: Path) -> None:
    """Work that is done before the patience is over shows nothing."""
    assert Terminal("stats", series / "step0.npz", patience=60).shown() == ""


@pytest.mark.parametrize("argv", [["-q"], ["--help"]])
def test_quiet_shows_none(argv: list[str], series: Path) -> None:
    """-q shows no bar."""
    assert Terminal("stats", series, *argv).shown() == ""


def test_a_dumb_terminal_shows_none(series: Path) -> None:
    """A terminal that cannot move its cursor gets no bar."""
    assert Terminal("stats", series, TERM="dumb").shown() == ""


@pytest.mark.parametrize(("argv", "variables"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"})], ids=["option", "env"])
def test_the_bar_without_colour(argv: list[str], variables: dict[str, str], series: Path) -> None:
    """--no-color and NO_COLOR leave the bar without colour."""
    terminal: Any = Terminal
    shown = terminal("stats", series, *argv, **variables).shown()
    assert "MB" in shown
    codes = {code for part in re.findall(r"\x1b\[([0-9;]*)m", shown) for code in part.split(";") if code}
    assert not [code for code in codes if int(code) >= 30]


def test_no_bar_in_a_pipe(series: Path) -> None:
    """Where standard error is no terminal there is no bar."""
    argv = [GRADCLIP[0], "-c", RUN, "0", "stats", str(series)]
    assert subprocess.run(argv, capture_output=True, check=True).stderr == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_leaves_a_clean_terminal(number: signal.Signals, series: Path) -> None:
    """A signal ends the run as it would without a bar, with the line erased and the cursor shown."""
    terminal = Terminal("stats", series)
    shown = ""
    for part in terminal.parts():
        if "━" in part and "━" not in shown:
            terminal.process.send_signal(number)
        shown += part
    terminal.process.communicate(timeout=60)
    assert terminal.process.returncode == -number
    assert is_clean(shown)


def test_an_error_stands_alone(series: Path, tmp_path: Path) -> None:
    """An error after a bar is one line, and the bar is gone."""
    np.savez_compressed(tmp_path / "bad.npz", w=np.full(4_000_000, np.nan, np.float32))
    terminal = Terminal("apply", tmp_path / "bad.npz", "--dry-run", "-s", "none")
    shown = terminal.shown()
    assert terminal.process.returncode == 4
    assert re.fullmatch(r"Error: .*\r\n", shown[shown.rfind("Error") :])
    assert is_clean(shown) or "━" not in shown


def test_bytes_are_counted_by_file() -> None:
    """What is read of a packed file beyond its size does not count, and of a pipe no total is known."""
    bar = Bar({"a": 100, "b": 50})
    for count, path in ((60, "a"), (60, "a"), (20, "b")):
        bar.tell(count, path)
    assert (bar.done, bar.total) == (120, 150)
    pipe = Bar({"-": 0})
    pipe.tell(70, "-")
    assert (pipe.done, pipe.total) == (70, None)


def test_a_bar_that_was_never_drawn_costs_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short work does not wait for the bar."""
    monkeypatch.setattr("gradclip_cli.cli.progress.PATIENCE", 600.0)
    start = time.perf_counter()
    with Bar({"a": 1}) as bar:
        bar.tell(1, "a")
    assert time.perf_counter() - start < 60
