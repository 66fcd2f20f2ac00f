"""Names from files are untrusted text: whatever shows them, no terminal and no spreadsheet obeys them."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hostile.safetensors_headers import entry, file
from hostile.safetensors_tensors import NAMES
from support.command import Run

from gradclip_cli.render import FORMATS

COMMANDS = (["stats"], ["ls"], ["apply", "-s", "clip-by-norm", "-t", "1", "--dry-run"])


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Write a dump of all odd names."""
    path = tmp_path / "\x1b[31m\u202e.safetensors"
    header = {text: entry(8 * k, 8 * k + 8) for k, text in enumerate(NAMES.values())}
    path.write_bytes(file(header, np.array([3, -4] * len(NAMES), np.float32).tobytes()))
    return path


def is_harmless(text: str) -> bool:
    """Whether nothing in a text does anything but show."""
    return all(c.isprintable() or c in "\n\t" for c in text)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_nothing_but_text_is_shown(command: list[str], format: str, hostile: Path, run: Run) -> None:
    """Control, bidirectional and zero-width characters are escaped on both streams, in every format."""
    done = run(*command, hostile, "-f", format)
    assert done.code == 0
    assert is_harmless(done.out)
    assert is_harmless(done.err)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_json_holds_the_names_themselves(command: list[str], hostile: Path, run: Run) -> None:
    """Escaped as JSON escapes, names are whole and exact."""
    found = json.loads(run(*command, hostile, "-f", "json").out)
    rows = found.get("tensors") or found.get("params") or found["dumps"][0]["params"]
    assert sorted(row["name"] for row in rows) == sorted(NAMES.values())


@pytest.mark.parametrize(("format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_no_cell_is_a_formula(format: str, delimiter: str, hostile: Path, run: Run) -> None:
    """A cell that a spreadsheet would compute begins with an apostrophe."""
    rows = list(csv.reader(io.StringIO(run("ls", hostile, "-f", format).out), delimiter=delimiter))
    assert len({len(row) for row in rows}) == 1
    assert len(rows) == 1 + len(NAMES)
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r") and not _is_number(cell)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_an_error_about_a_tensor_is_one_line(text: str, tmp_path: Path, run: Run) -> None:
    """A message that names a tensor is one line of at most 1,500 bytes, whatever the name."""
    path = tmp_path / "g.safetensors"
    path.write_bytes(file({text: entry()}, np.array([np.nan, 1], np.float32).tobytes()))
    done = run("apply", path, "--dry-run", "-s", "clip-by-norm", "-t", "1")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("Error: ")
    assert done.err.endswith("\n")
    assert done.err[:-1].isprintable()
    assert len(done.err.encode()) <= 1500
