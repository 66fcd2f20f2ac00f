"""Places where little is as usual: closed streams, no variables, a terminal of one column."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support.command import GRADCLIP
from support.matrices import crossed

from faults.scenarios import environment, save

COMMANDS = {
    "apply": ["apply", "g.safetensors", "-o", "out.h5", "-s", "clip-by-global-norm", "-t", "1", "--overwrite"],
    "stats": ["stats", "g.safetensors", "a.npz"],
    "wrong": ["ls", "missing.npz"],
}
CLOSED = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)]
BARE = {
    "no variables": {},
    "no places": {"HOME": "/nowhere", "TMPDIR": "/nowhere", "XDG_CACHE_HOME": "/nowhere"},
    "one column": {"COLUMNS": "1", "LINES": "1"},
    "no number of columns": {"COLUMNS": "wide"},
    "plain": {"LC_ALL": "C", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "terminal unknown": {"TERM": "no-such-terminal"},
}


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two dumps."""
    folder = tmp_path_factory.mktemp("dumps")
    for name in ("g.safetensors", "a.npz"):
        save(folder / name)
    return folder


@pytest.mark.parametrize(("command", "closed"), crossed(["apply", "wrong"], CLOSED), ids=str)
def test_closed_streams(command: str, closed: tuple[int, ...], dumps: Path) -> None:
    """Without some of its standard streams a run does the same, and no file of its own takes their place."""
    shell = '"$@" ' + " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    argv = ["sh", "-c", shell, "sh", *GRADCLIP, *COMMANDS[command]]
    done = subprocess.run(argv, cwd=dumps, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    if command == "wrong":
        assert done.returncode == 3
        return
    assert done.returncode in ((0, 5) if 1 in closed else (0,))
    if done.returncode == 0:
        assert (dumps / "out.h5").read_bytes()[:4] == b"\x89HDF"
    elif 2 not in closed:
        assert done.stderr.startswith("Error: standard output: is closed")
        assert len(done.stderr.splitlines()) == 1
    assert not [name for name in os.listdir(dumps) if name.startswith(".")]


@pytest.mark.parametrize(("command", "place"), crossed(COMMANDS, BARE))
def test_bare_places(command: str, place: str, dumps: Path) -> None:
    """Whatever the environment lacks, a run gives the same figures and says the same."""
    variables = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    argv = [sys.executable, *GRADCLIP[1:], *COMMANDS[command]]
    usual = _usually(command, dumps)
    bare = subprocess.run(argv, cwd=dumps, env=variables | BARE[place], capture_output=True, check=False, timeout=60)
    assert bare.returncode == usual.returncode
    assert bare.stderr == usual.stderr
    assert is_alike(bare.stdout, usual.stdout)


@cache
def _usually(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, *GRADCLIP[1:], *COMMANDS[command]]
    return subprocess.run(argv, cwd=folder, env=environment(), capture_output=True, check=False, timeout=60)


def is_alike(found: bytes, usual: bytes) -> bool:
    """Whether two outputs have the same figures: letters and lines that a place cannot show are others there."""

    def figures(output: bytes) -> list[str]:
        return [
            word for word in output.decode(errors="replace").split() if word.isascii() and any(map(str.isdigit, word))
        ]

    return figures(found) == figures(usual)
