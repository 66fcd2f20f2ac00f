"""Standard output, standard error, terminals, pipes and signals."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from support.command import GRADCLIP, Run, Save
from support.matrices import crossed

NASTY = {
    "escape": "w\x1b[31mred",
    "newline": "a\nb",
    "return": "a\rb",
    "bell": "a\x07",
    "c1": "a\x9b31m",
    "bidirectional": "a\u202eb",
    "zero-width": "a\u200bb",
    "separator": "a\u2028b",
    "nul-like": "a\x7fb",
}


def is_safe(text: str) -> bool:
    """Tell whether a text holds nothing but printable characters and newlines."""
    return all(line.isprintable() for line in text.split("\n"))


SHOWING = (
    ["apply", "g.safetensors", "--dry-run", "-s", "none"],
    ["apply", "g.safetensors", "--dry-run", "-s", "none", "--nonfinite", "skip"],
    ["stats", "g.safetensors"],
    ["ls", "g.safetensors"],
)


@pytest.mark.parametrize(("name", "argv"), crossed(NASTY, SHOWING, rounds=2))
def test_control_characters_are_escaped(name: str, argv: list[str], save: Save, run: Run) -> None:
    """Names from files are shown with their control characters escaped, in tables and in messages."""
    save(**{NASTY[name]: [np.nan], "v": [1.0]})
    result = run(*argv)
    assert is_safe(result.out + result.err)
    assert NASTY[name].encode("unicode_escape").decode() in result.out + result.err
    if result.code:
        assert len(result.err.splitlines()) == 1


def test_names_of_files_are_escaped(save: Save, run: Run) -> None:
    """The name of a file is untrusted text too."""
    path = save("a\x1b]0;b\n.safetensors", w=[1.0])
    shown = run("apply", path, "--dry-run", "-s", "none")
    path.write_bytes(b"")
    refused = run("ls", path)
    assert (shown.code, refused.code) == (0, 3)
    assert is_safe(shown.out + refused.err)
    assert len(refused.err.splitlines()) == 1


def test_the_end_of_a_line_in_the_name_of_a_file(save: Save, run: Run) -> None:
    """A name of two lines is told from one with a blank, in errors and in warnings."""
    save("a\nb.npz", w=[1.0], n=np.array([True]), s=np.array("text"))
    assert run("ls", "x\ny.npz").err.startswith("Error: x\\ny.npz: ")
    warned = run("ls", "a\nb.npz")
    assert (warned.code, warned.err.startswith("note: a\\nb.npz: ")) == (0, True)


@pytest.mark.parametrize("name", ["[red]w[/red]", "[/]", ":smile:", "=cmd()", "{x}", "%s", "größe.重み", "\\x1b"])
@pytest.mark.parametrize(
    "command", [["stats", "--by", "param"], ["ls"], ["apply", "--dry-run", "-s", "none"]], ids=lambda argv: argv[0]
)
def test_names_are_no_markup(name: str, command: list[str], save: Save, run: Run) -> None:
    """Names are shown as they are, and never taken as markup."""
    save(**{name: [1.0]})
    result = run(*command, "g.safetensors")
    assert result.code == 0
    assert name in result.out


@pytest.mark.parametrize("length", [50, 1_000, 20_000])
def test_long_names_make_no_long_line(length: int, save: Save, run: Run) -> None:
    """An error is one line of at most 1,500 bytes, however long the names are."""
    save(**{f"{'ä' * length}{k}": [np.nan] for k in range(12)})
    result = run("apply", "g.safetensors", "-o", f"{'ö' * 50}.safetensors", "-s", "none")
    assert (result.code, len(result.err.splitlines())) == (4, 1)
    assert len(result.err.encode()) <= 1500


@pytest.mark.parametrize(
    "argv",
    [
        ["apply", "g.safetensors", "-o", "o" * 5000, "-s", "none"],
        ["apply", "x" * 5000, "-o", "out", "-s", "none"],
        ["apply", "g.safetensors", "-o", "out", "-s", "n" * 5000],
        ["apply", "g.safetensors", "-o", "out", "-s", "none", "--layer", "p" * 5000 + "=none"],
        ["apply", "g.safetensors", "-o", "out", "-s", "none", "--layer", "p\x1b\n" * 500 + "=none"],
        ["apply", "g.safetensors", "-o", "out", "-s", "none", "-t", "9\x1b" * 3000],
    ],
    ids=["output", "input", "strategy", "layer", "control", "threshold"],
)
def test_long_arguments_make_no_long_line(argv: list[str], save: Save, run: Run) -> None:
    """What was typed is shortened and escaped in messages, as names from files are."""
    save(w=[1.0])
    result = run(*argv)
    line = result.err.splitlines()[-1]
    assert result.code in (2, 3, 5)
    assert line.startswith("Error: ")
    assert len(line.encode()) <= 1500
    assert is_safe(result.err)


@pytest.mark.parametrize(
    "argv", [["stats", "--by", "param"], ["ls"], ["apply", "--dry-run", "-s", "none"]], ids=lambda argv: argv[0]
)
def test_table_in_a_pipe_is_never_cut(argv: list[str], save: Save, spawn: Run) -> None:
    """What goes into a pipe has full width: names are whole, on one line, without colour and without `…`."""
    name = "layer." * 60 + "weight"
    save(**{name: [1.0]})
    result = spawn(*argv, "g.safetensors", env={**os.environ, "COLUMNS": "40"})
    assert result.code == 0
    assert any(name in line for line in result.out.splitlines())
    assert "…" not in result.out
    assert "\x1b" not in result.out


def test_no_colour_in_a_pipe(save: Save, spawn: Run) -> None:
    """What goes into a pipe has no colour, whatever the environment says of terminals."""
    save(w=[1.0])
    result = spawn("ls", "g.safetensors", env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"})
    assert result.code == 0
    assert "\x1b" not in result.out


def on_terminal(argv: list[str], columns: int, **variables: str) -> str:
    """Run the command on a pseudo-terminal and return what it shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [*GRADCLIP, *argv],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        env={**environment, "TERM": "xterm", **variables},
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # what Linux says when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(master)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    return shown.decode()


TABLES = {
    "apply": [
        "apply",
        "g.safetensors",
        "--dry-run",
        "-s",
        "clip-l2-per-layer",
        "-t",
        "1",
        "--by",
        "layer",
        "--by",
        "param",
    ],
    "stats": ["stats", "step1.npz", "step2.npz"],
    "check": ["check", "g.safetensors", "--dominated-share", "0.3", "--spread-ratio", "0.5", "--fail-on", "dead"],
    "ls": ["ls", "g.safetensors"],
    "ls of several": ["ls", "a-run-of-a-long-name.npz", "step1.npz"],
    "strategies": ["strategies"],
}


@pytest.mark.parametrize(("columns", "command"), crossed([80, 120], TABLES))
def test_table_fits_the_terminal(command: str, columns: int, save: Save) -> None:
    """On a terminal of 80 columns a table fits 80 columns, and no figure ends in `…`."""
    names = ["transformer.h.11.attn.c_attn.weight", "transformer.h.11.attn.c_attn.bias", "short"]
    tensors = {name: np.array([1234.5678, 1e-12]) for name in names}
    save(**tensors)
    for step in (1, 2):
        save(f"step{step}.npz", **tensors)
    save("a-run-of-a-long-name.npz", **tensors)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(TABLES[command], columns))
    lines = shown.replace("\r\n", "\n").split("\n")
    assert len(lines) > 4
    assert max(map(len, lines)) <= columns
    assert "…" not in shown


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_what_is_wrong_is_folded_to_the_width_of_the_terminal(term: str, save: Save) -> None:
    """On a terminal of 60 columns a finding's sentence stands below its figures, in lines that are mostly full, and is whole."""
    name = "transformer.h.11.attn.c_attn.weight"
    save("step1.npz", **{name: np.zeros(4)})
    argv = ["check", "step1.npz", "--by", "finding", "--fail-on", "spread"]
    shown = on_terminal(argv, 60, NO_COLOR="1", TERM=term).splitlines()
    sentence = " ".join(line.strip() for line in shown if line.startswith("    "))
    piped = subprocess.run([*GRADCLIP, *argv], capture_output=True, text=True, check=False).stdout
    message = re.search(r"100 % of 4 elements are 0: .*?(?=  |\n)", piped)
    assert message
    assert message[0] in sentence
    assert "step1.npz" in sentence
    assert max(map(len, shown)) <= 60
    assert len(shown) <= 8


@pytest.mark.parametrize("columns", [1, 30, 50])
def test_an_option_to_be_copied_is_not_cut(columns: int, save: Save) -> None:
    """The threshold in an option that somebody might copy stands on one line, however narrow the terminal is."""
    for step in (1, 2):
        save(f"step{step}.npz", **{"transformer.h.11.attn.weight": [0.123456 * step], "w.w": [1.0]})
    shown = on_terminal(["stats", "step1.npz", "step2.npz", "--by", "layer"], columns, NO_COLOR="1")
    assert "'transformer.h.11.attn=:0.1852'" in shown


@pytest.mark.parametrize(("variables", "argv"), [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--no-color"])])
def test_colour_can_be_refused(variables: dict[str, str], argv: list[str], save: Save) -> None:
    """NO_COLOR, TERM=dumb and --no-color are obeyed: no colour is set."""
    save(w=[1.0])
    shown = on_terminal(["ls", "g.safetensors", *argv], 80, **variables)
    codes = {code for part in re.findall(r"\x1b\[([0-9;]*)m", shown) for code in part.split(";")}
    assert not [code for code in codes if code.isdigit() and int(code) >= 30]


@pytest.fixture
def many(save: Save) -> Path:
    """Write a dump of so many tensors that no pipe holds its table."""
    return save("many.safetensors", **{f"layer{k}.weight": np.ones(1, np.float32) for k in range(3000)})


@pytest.mark.parametrize(
    "argv", [["ls"], ["ls", "-f", "json"], ["stats"], ["apply", "--dry-run", "-s", "none"]], ids=" ".join
)
def test_closed_pipe_is_quiet(argv: list[str], many: Path) -> None:
    """A reader that leaves after one line, as `head -1` does, ends the program quietly."""
    process = subprocess.Popen([*GRADCLIP, *argv, many], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


def test_full_disk_behind_standard_output(many: Path) -> None:
    """Standard output that cannot be written is exit 5 and one line."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*GRADCLIP, "ls", many], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert re.fullmatch(r"Error: standard output: .*\n", done.stderr)


def test_closed_standard_output(save: Save) -> None:
    """A standard output that is closed from the start is no reason for a traceback."""
    save(w=[3.0, 4.0])
    command = '"$@" -m gradclip_cli apply g.safetensors -o out.safetensors -s clip-by-norm -t 1 >&-'
    done = subprocess.run(["sh", "-c", command, "sh", sys.executable], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 5)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_ascii_terminal(save: Save, spawn: Run) -> None:
    """Where the locale has no Unicode, names are escaped and nothing fails."""
    save(**{"größe.w": [np.nan]})
    plain = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for argv in (["ls"], ["stats"], ["apply", "--dry-run", "-s", "none"]):
        result = spawn(*argv, "g.safetensors", env=plain)
        assert result.code == (4 if argv[0] == "apply" else 0)
        assert "gr\\xf6\\xdfe.w" in result.out + result.err
        assert "Traceback" not in result.err


def cells(text: str) -> int:
    """How wide a text is on a terminal, by the tables of Unicode."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gb18030"])
def test_columns_stand_in_line_in_any_encoding(encoding: str, save: Save, spawn: Run) -> None:
    """What an encoding cannot say is escaped before columns are measured, and pictures are drawn in ASCII there."""
    for step in (1, 2):
        save(f"step{step}.npz", **{"größe.w": [1.0 * step], "第一层.w": [2.0], "w.w": [3.0]})
    plain = {**os.environ, "PYTHONIOENCODING": encoding}
    shown = spawn("stats", "step1.npz", "step2.npz", "--by", "layer", env=plain, encoding=encoding).out
    table, _, pictures = shown.split("\n\n")[:3]
    _, head, *rows = table.splitlines()
    bars = {cells(re.match(r".*?\S {2,}", line)[0]) for line in pictures.splitlines()[1:]}  # type: ignore[index]
    assert {cells(row) for row in rows} == {len(head)}
    assert len(bars) == 1
    assert not set("▁▂▃▄▅▆▇█─") & set(shown)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a dump that takes a second to unpack and to pack again."""
    path = tmp_path_factory.mktemp("packed") / "g.npz"
    np.savez_compressed(path, w=np.random.default_rng(0).standard_normal(6_000_000).astype(np.float32))
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signal_leaves_no_file(number: signal.Signals, packed: Path, tmp_path: Path) -> None:
    """Ctrl-C and its like end a run as the signal itself would, 130 to a shell, and leave no file behind."""
    (tmp_path / "g.npz").symlink_to(packed)
    argv = ["apply", "g.npz", "-o", "out.npz", "-s", "clip-by-norm", "-t", "1"]
    process = subprocess.Popen([*GRADCLIP, *argv], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and len(os.listdir(tmp_path)) == 1:
        time.sleep(0.001)
    assert process.poll() is None
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode in (-number, 128 + number)
    assert (output, errors) == (b"", b"")
    assert os.listdir(tmp_path) == ["g.npz"]


def test_interrupted_pipe_leaves_no_file(save: Save, tmp_path: Path) -> None:
    """A run that waits for the reader of a FIFO can be interrupted: a shell sees 130, and no file is left anywhere."""
    save(w=np.ones(1_000_000, np.float32))
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    spool = tmp_path / "spool"
    spool.mkdir()
    argv = [*GRADCLIP, "apply", "g.safetensors", "-o", "pipe", "-s", "none"]
    process = subprocess.Popen(argv, env={**os.environ, "TMPDIR": str(spool)}, stderr=subprocess.PIPE)
    assert select.select([reader], [], [], 60)[0]
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    os.close(reader)
    assert process.returncode in (-signal.SIGINT, 130)
    assert errors == b""
    assert os.listdir(spool) == []


def test_module_and_command_are_the_same(spawn: Run) -> None:
    """`python -m gradclip_cli` and `gradclip` show the same version."""
    installed = subprocess.run(
        [Path(sys.executable).parent / "gradclip", "--version"], capture_output=True, text=True, check=True
    )
    assert spawn("--version").out == installed.stdout
