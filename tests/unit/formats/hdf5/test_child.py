"""A child process answers requests, and whatever it does harms nobody else."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.matrices import heavy

import gradclip_cli
from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5 import child as children
from gradclip_cli.formats.hdf5.child import Child, EndedError
from gradclip_cli.formats.hdf5.limits import Limits
from gradclip_cli.formats.hdf5.messages import Message

SERVICE = "unit.formats.hdf5.misbehaving:start"
FEW = Limits(1, 6, 64 << 20)
NOTHING = Message(None)
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture(params=[pytest.param(False, marks=heavy), pytest.param(True, marks=linux)], ids=["spawned", "forked"])
def child(request: pytest.FixtureRequest) -> Iterator[Child]:
    """Start a child in either way; in the end it is gone."""
    started = Child(SERVICE, forked=request.param)
    pid = started.pid
    yield started
    started.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def asked(child: Child, request: str, *arguments: Any, message: Message = NOTHING) -> Message:
    """Ask something within narrow limits."""
    return child.ask(request, list(arguments), FEW, message)


def test_values_and_bytes_come_back(child: Child) -> None:
    """Plain values, names that are not UTF-8 and many bytes arrive as they were sent, also a second time."""
    payload = os.urandom(3_000_000)
    for _ in range(2):
        found = asked(child, "echo", "ü\udcff", 1 << 62, None, [1.5], message=Message(None, payload))
        assert found.value == ["ü\udcff", 1 << 62, None, [1.5]]
        assert bytes(found.payload) == payload


def test_the_file_itself_arrives(child: Child, tmp_path: Path) -> None:
    """What is sent is the open file, wherever its name leads by now."""
    path = tmp_path / "a"
    path.write_text("the first")
    with open(path, "rb") as file:
        path.unlink()
        path.write_text("another")
        assert asked(child, "look", message=Message(None, files=(file.fileno(),))).value == "the first"


def test_errors_come_back(child: Child) -> None:
    """An error of the input is one here; a bug keeps its traceback; the child goes on."""
    with pytest.raises(InputError, match="is not wanted") as caught:
        asked(child, "refuse")
    assert caught.value.tensor == "w"
    with pytest.raises(RuntimeError, match=r"(?s)misbehaving\.py.*IndexError"):
        asked(child, "fail")
    assert asked(child, "echo", 1).value == [1]


def test_a_death_is_told(child: Child) -> None:
    """A child that dies says by what signal, and is ours no more."""
    with pytest.raises(EndedError, match="SIGSEGV"):
        asked(child, "die")
    assert not child.is_ours
    with pytest.raises(EndedError):
        asked(child, "echo")


def test_work_without_an_end(child: Child) -> None:
    """A child that takes more than its processor time is ended."""
    start = time.monotonic()
    with pytest.raises(EndedError, match="does not come to an end"):
        asked(child, "work")
    assert time.monotonic() - start < 60


def test_waiting_without_an_end(child: Child) -> None:
    """A child that waits for nothing is ended by the clock."""
    with pytest.raises(EndedError, match="does not come to an end"):
        child.ask("hang", [], FEW._replace(clock=1), NOTHING)


@linux
def test_memory_has_a_limit(child: Child) -> None:
    """A child gets no more memory than it may have; what it may have it gets."""
    assert asked(child, "eat", 16 << 20).value == 16 << 20
    with pytest.raises(EndedError, match="memory"):
        asked(child, "eat", 1 << 30)
    assert asked(child, "echo", 1).value == [1]


def test_processes_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows no more processes, that is what the error says."""

    def refuse(*_: Any, **__: Any) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(os, "posix_spawn", refuse)
    for forked in (True, False):
        with pytest.raises(InputError, match=r"no process .* can be started: resource temporarily unavailable"):
            Child(SERVICE, forked=forked)


def test_a_process_with_threads_does_not_fork() -> None:
    """Beside another thread, a fresh process is started."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert not children.can_fork()
    finally:
        done.set()
        thread.join()


def test_a_new_python_takes_no_module_from_where_it_is_started(tmp_path: Path) -> None:
    """A `json.py` in the folder of the dumps, which may be anybody's, is not run; nor do odd search paths disturb."""
    (tmp_path / "json.py").write_text("raise SystemExit('from here')\n", encoding="utf-8")
    code = "import pathlib, sys; sys.path += [pathlib.Path('a'), b'b', 'c']; sys.path.remove(''); import os; "
    code += "from gradclip_cli.formats.hdf5.child import new_python; "
    code += "os.execv(sys.executable, new_python('print(json.__file__, sys.path[-1])'))"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [json.__file__, "c"]


@pytest.mark.parametrize("flag", ["-I", "-E", "-s", "-S"])
def test_a_new_python_has_the_flags_of_this_one(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that reads no environment, or no site, starts none that does."""
    code = f"import sys; sys.path[:] = {[path for path in sys.path if path]!r}; "
    code += "from gradclip_cli.formats.hdf5.child import new_python; print(new_python('')[1:-3])"
    run = subprocess.run([sys.executable, flag, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(["-P", *(["-E", "-s"] if flag == "-I" else [flag])])


def saved(path: Path, count: int = 1) -> list[Path]:
    """Write some HDF5 files."""
    paths = [path / f"step{k}.h5" for k in range(count)]
    for each in paths:
        with h5py.File(each, "w") as file:
            file["a/w"] = np.ones(3, np.float32)
            file.create_dataset("packed/w", data=np.ones((20, 6), np.float32), chunks=(4, 3), compression="lzf")
    return paths


def run(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a script of a library user, which has nothing that keeps it from running twice."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


COUNTED = """
import os, sys, threading
import gradclip_cli
from gradclip_cli.formats.hdf5 import child
print("once")
before = dict(os.environ)
started = []
class Counted(child.Child):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        started.append(self.pid)
child.Child = Counted
def work():
    gradclip_cli.stats(sys.argv[2:])
if sys.argv[1] == "thread":
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
else:
    work()
print(len(started), "h5py" in sys.modules, dict(os.environ) == before)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""


@pytest.mark.parametrize("where", ["main", "thread"])
def test_one_child_serves_a_call(where: str, tmp_path: Path) -> None:
    """All files of a call are read by one child, which is gone then; the caller's process and script are left alone."""
    done = run(COUNTED, where, *saved(tmp_path, 5))
    assert (done.stdout.split("\n")[:3], done.stderr) == (["once", "1 False True", "no child"], "")


@linux
def test_no_child_outlives_its_parent(tmp_path: Path) -> None:
    """A process that is killed takes its child with it, whatever that is at."""
    code = f"""
import sys
sys.path[:] = {sys.path!r}
from gradclip_cli.formats.hdf5.child import Child
from gradclip_cli.formats.hdf5.messages import Message, send
child = Child({SERVICE!r})
send(child._channel, Message(["work", [], 60, 360, 1 << 30]))
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_filter_of_somebody_elses(tmp_path: Path) -> None:
    """A dataset that a foreign filter packs is named with the filter, and nothing is loaded for it."""
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((4,))
        plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((8,))
        dataset = h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F32LE, space, plan)
        dataset.write_direct_chunk((0,), bytes(9))
    with pytest.raises(InputError, match=r"w: is packed by blosc \(HDF5 filter 32001\)"):
        gradclip_cli.stats(path)
