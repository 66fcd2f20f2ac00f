"""Worker processes whose program, or who themselves, come to a sudden end: nothing half, nothing left, and one line that says why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.matrices import crossed

TESTS = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

LIBRARY = """
import sys
from gradclip_cli.engine.executors.processes import Processes
from unit.engine.executors import errands
workers = Processes(3, forked={forked})
results = workers.map(errands.slow, iter(int, 1), 1)
_ = next(results)
print(*[worker.pid for worker in workers._workers], flush=True)
for _ in results:
    pass

"""
"""A script without `if __name__ == "__main__"`, which works until it is ended."""

COMMAND = """
import os, signal, sys, time
sys.argv[0] = "gradclip"
import support.by_processes as support
support.by_processes(3, True)
from gradclip_cli.engine import measure, rewrite
ours, measured, changed = os.getpid(), measure.measure_piece, rewrite.change_as

def slow(*given):
    time.sleep({slow})
    return measured(*given)

def deadly(*given):
    if {deadly} and os.getpid() != ours:
        os.kill(os.getpid(), signal.SIGKILL)
    return changed(*given)

measure.measure_piece, rewrite.change_as = slow, deadly
from gradclip_cli.__main__ import main
main()
"""
"""The command on small work, which it does in forked processes."""


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may be waited for by nobody in a container."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state not in "ZX":
            found.append(int(path.parent.name))
    return found


def assert_gone(pids: list[int]) -> None:
    """All processes have ended, or do within seconds on a busy machine."""
    until = time.monotonic() + 10
    while time.monotonic() < until and any(map(alive, pids)):
        time.sleep(0.01)
    assert not [pid for pid in pids if alive(pid)]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump of a hundred pieces."""
    path = tmp_path_factory.mktemp("workers") / "g.npz"
    np.savez(path, w=np.ones(100 << 14, np.float32))
    return path


def started(script: str, *argv: str, text: str | None = None, cwd: Path | None = None) -> "subprocess.Popen[str]":
    """Start a script, or one that is typed into Python."""
    run = [sys.executable, "-c", script, *argv] if text is None else [sys.executable, "-i", "-q"]
    stdin = subprocess.DEVNULL if text is None else subprocess.PIPE
    process = subprocess.Popen(
        run, env=ENVIRONMENT, cwd=cwd, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if text is not None and process.stdin is not None:
        process.stdin.write(text)
        process.stdin.flush()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("forked", [True, False], ids=["forked", "spawned"])
def test_a_program_that_is_ended(forked: bool, number: signal.Signals) -> None:
    """Workers of a script, which are busy, end with it, whatever ends it."""
    process = started(LIBRARY.format(forked=forked))
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 3
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    assert_gone(pids)


@pytest.mark.parametrize("forked", [True, False], ids=["forked", "spawned"])
def test_a_session(forked: bool) -> None:
    """What is typed into Python has workers, too, and they end with it."""
    process = started("", text=LIBRARY.format(forked=forked))
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 3
    process.kill()
    process.communicate(timeout=60)
    assert_gone(pids)


def test_a_thread_of_a_host(tmp_path: Path) -> None:
    """A thread of a program without a guard gets its results from new processes, beside other threads that go on."""
    script = tmp_path / "host.py"
    script.write_text(
        "import threading, time\n"
        "from gradclip_cli.engine.executors.processes import Processes\n"
        "from unit.engine.executors import errands\n"
        "found, over = [], threading.Event()\n"
        "other = threading.Thread(target=over.wait)\n"
        "other.start()\n"
        "def work():\n"
        "    with Processes(2) as workers:\n"
        "        found.extend(workers.map(errands.square, range(100), 1))\n"
        "        print([worker.pid > 0 for worker in workers._workers])\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "thread.join()\n"
        "over.set()\n"
        "print(sum(found))\n",
        encoding="utf-8",
    )
    run = subprocess.run(
        [sys.executable, str(script)], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (run.stdout, run.stderr) == ("[True, True]\n328350\n", "")


@pytest.mark.parametrize(
    ("argv", "number"),
    crossed(
        [["stats"], ["apply", "-s", "clip-by-global-norm", "-t", "1", "-o", "out.npz"]],
        [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL],
    ),
)
def test_a_command_that_is_ended(argv: list[str], number: signal.Signals, dump: Path, tmp_path: Path) -> None:
    """The command ends by its signal at once, without a word; its workers end with it, and no output is there."""
    process = started(COMMAND.format(slow=0.1, deadly=False), *argv, str(dump), cwd=tmp_path)
    while process.poll() is None and len(children(process.pid)) < 3:
        time.sleep(0.002)
    time.sleep(0.05)
    pids = children(process.pid)
    assert len(pids) == 3
    process.send_signal(number)
    start = time.monotonic()
    assert process.communicate(timeout=60) == ("", "")
    assert time.monotonic() - start < 5
    assert process.returncode == -number
    assert_gone(pids)
    assert number == signal.SIGKILL or list(tmp_path.iterdir()) == []


def test_a_worker_that_is_killed(dump: Path, tmp_path: Path) -> None:
    """A killed worker ends the command with exit code 3 and one line."""
    process = started(COMMAND.format(slow=0.05, deadly=False), "stats", str(dump), cwd=tmp_path)
    while process.poll() is None and len(children(process.pid)) < 3:
        time.sleep(0.002)
    time.sleep(0.1)
    pids = children(process.pid)
    os.kill(pids[1], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    what = (
        "a worker process was killed by SIGKILL, perhaps for lack of memory; free memory, or use fewer with -j (-j 1)"
    )
    assert err == f"Error: {what}\n"
    assert_gone(pids)


def test_a_worker_that_is_killed_while_it_writes(dump: Path, tmp_path: Path) -> None:
    """A worker that dies in the second pass ends `apply` with exit code 5; the old output stays, and nothing else is there."""
    old = tmp_path / "out.npz"
    old.write_bytes(b"old")
    argv = ["apply", "-s", "clip-by-global-norm", "-t", "1", "-o", "out.npz", "--overwrite", str(dump)]
    process = started(COMMAND.format(slow=0, deadly=True), *argv, cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, "")
    assert err.startswith("Error: a worker process was killed by SIGKILL")
    assert err.count("\n") == 1
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.npz", b"old")]


def test_a_damaged_archive_is_refused(dump: Path, tmp_path: Path) -> None:
    """A wrong checksum is found, though worker processes have read the elements."""
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.npz").write_bytes(data)
    for argv in (["stats", "bad.npz"], ["diff", "bad.npz", str(dump)]):
        process = started(COMMAND.format(slow=0, deadly=False), *argv, cwd=tmp_path)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (3, "")
        assert err.startswith("Error: bad.npz: w: its CRC is wrong")


def test_a_file_that_was_given_as_a_descriptor(dump: Path, tmp_path: Path) -> None:
    """Elements of a file that only this process can open are read by its threads."""
    with dump.open("rb") as file:
        argv = [
            sys.executable,
            "-c",
            COMMAND.format(slow=0, deadly=False),
            "stats",
            f"/dev/fd/{file.fileno()}",
            "-f",
            "tsv",
        ]
        run = subprocess.run(
            argv, env=ENVIRONMENT, capture_output=True, text=True, check=False, pass_fds=[file.fileno()], cwd=tmp_path
        )
    assert (run.returncode, run.stderr) == (0, "")
    assert "1280" in run.stdout  # the square root of 100 · 2^14
