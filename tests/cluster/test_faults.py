"""Whatever happens to a cluster ends in one line and the right exit code, or in the right figures; no output is ever half there."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.everywhere import digest
from support.dask_cluster import DaskCluster, dask_cluster
from support.official import savez
from support.tensors import gradients
from support.waiting import wait_for

import gradclip_cli
from gradclip_cli.engine.executors import dask
from gradclip_cli.engine.executors.held_uploads import Keep

pytestmark = pytest.mark.remote

STEPS = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dumps so large that each is sent to a worker."""
    folder = tmp_path_factory.mktemp("run")
    for step in range(STEPS):
        savez(folder / f"step_{step}.npz", large=gradients(2_500_000, seed=step), b=gradients(9, seed=step))
    return folder


def begun(*argv: object) -> subprocess.Popen[str]:
    """Start the command."""
    command = [sys.executable, "-m", "gradclip_cli", *map(str, argv)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(command: "subprocess.Popen[str]") -> tuple[int, str]:
    """Return the exit code, and what was written to standard error."""
    _, said = command.communicate(timeout=120)
    return command.returncode, said


def told(*argv: object) -> tuple[int, str]:
    """Run the command to its end."""
    return ended(begun(*argv))


def expected(run: Path) -> str:
    """The digest of the report of `stats` without a cluster."""
    return digest(gradclip_cli.stats(run))


def test_no_scheduler(run: Path) -> None:
    """Where nothing listens, or what listens is no scheduler, is exit code 2 in seconds; so is an address of another kind."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port, begin = deaf.getsockname()[1], time.monotonic()
        code, said = told("stats", run, "--scheduler", f"tcp://127.0.0.1:{port}")
        deaf.listen()
        silent = told("stats", run, "--scheduler", f"tcp://127.0.0.1:{port}")
    line = f"Error: tcp://127.0.0.1:{port}: no Dask scheduler answers; start one with `dask scheduler`\n"
    assert (code, silent[0]) == (2, 2)
    assert said.endswith(line)
    assert silent[1].endswith(line)
    assert time.monotonic() - begin < 30
    assert told("stats", run, "--scheduler", "localhost:8786")[0] == 2
    code, said = told("stats", run, "--scheduler", f"tls://127.0.0.1:{port}")
    assert (code, said.count("Error: ")) == (2, 1)
    assert "Traceback" not in said


def test_a_worker_of_another_version(run: Path, tmp_path: Path) -> None:
    """A worker that was there before and runs another version is exit code 2, with how many there are."""
    with dask_cluster(tmp_path, "plain", "version") as cluster:
        code, said = told("stats", run, "--scheduler", cluster.address)
    version = gradclip_cli.__version__
    what = f"1 of 2 workers run gradclip 0.0.1, this is {version}; install the same"
    assert code == 2
    assert said.endswith(f"Error: {cluster.address}: {what}\n")


def test_a_worker_with_other_sums(run: Path, tmp_path: Path) -> None:
    """A worker whose processor finds other sums is not used, which the report says; without another one, nothing is done."""
    with dask_cluster(tmp_path, "sums") as cluster:
        code, said = told("stats", run, "--scheduler", cluster.address)
        assert (code, said.endswith("sums powers to other bits, for norms with p = 2\n")) == (2, True)
        cluster.add("plain")
        report = gradclip_cli.stats(run, scheduler=cluster.address)
    (note,) = [note for note in report.notes if note.kind == "cluster"]
    assert "sums powers to other bits" in note.text
    assert digest(report) == expected(run)


def test_a_worker_that_hangs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not answer is not used, which the report says; nor is it waited for where it holds outputs."""
    monkeypatch.setattr(dask, "_HUNG", 2.0)
    monkeypatch.setattr(dask, "_ANSWERS", dict.fromkeys(dask._ANSWERS, 1.0))
    with dask_cluster(tmp_path, "plain", "plain") as cluster:
        cluster.workers[0].send_signal(signal.SIGSTOP)
        report = gradclip_cli.stats(run, scheduler=cluster.address)
        with cluster.client() as client:
            scheduler = dask.connect(client)
            every, answers = scheduler.workers(), scheduler.tell(Keep(frozenset()), None)
    (note,) = [note for note in report.notes if note.kind == "cluster"]
    assert note.text.endswith("is not used: it does not answer")
    assert (len(every), list(answers.values())) == (2, [frozenset()])
    assert digest(report) == expected(run)


def test_a_worker_that_comes_later(run: Path, tmp_path: Path) -> None:
    """A worker is compared at each order, too: what it refuses is done by another one."""
    with dask_cluster(tmp_path, "plain", "late") as cluster:
        report = gradclip_cli.check(run, scheduler=cluster.address)
    assert [note.kind for note in report.notes if note.kind == "cluster"] == ["cluster"]
    assert digest(report) == digest(gradclip_cli.check(run))


def test_a_worker_that_sees_nothing(run: Path, tmp_path: Path) -> None:
    """A path that is there for the client only is exit code 3, with the worker that does not see it."""
    with dask_cluster(tmp_path, "blind") as cluster:
        code, said = told("check", run, "--scheduler", cluster.address)
    assert code == 3
    assert said.startswith(f"Error: {run}/step_0.npz: worker tcp://127.0.0.1:")
    assert said.endswith("does not see it; give a path that all workers share\n")


def test_a_lost_worker(run: Path, tmp_path: Path) -> None:
    """What a worker had when it was killed is done by another one; outputs are the same to the byte."""
    told: dict[str, Any] = {"strategy": "clip-by-global-norm", "threshold": 0.01}
    gradclip_cli.apply(run, tmp_path / "here", **told)
    with dask_cluster(tmp_path, "dies", "dies") as cluster:
        gradclip_cli.apply(run, tmp_path / "there", scheduler=cluster.address, **told)
        wait_for(lambda: sum(worker.poll() is not None for worker in cluster.workers) == 1)
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("here", "there"))
    assert here == there
    assert len(there) == STEPS


def test_a_dump_that_kills_workers(run: Path, tmp_path: Path) -> None:
    """A dump that workers die of is exit code 3 with its name, and nothing is written."""
    (tmp_path / "mark").touch()
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("step_0.npz", "step_1.npz"):
        (folder / name).symlink_to(run / name)
    (folder / "step_1.npz").rename(folder / "deadly_step_1.npz")
    with dask_cluster(tmp_path, *["dies"] * 5, deaths=1) as cluster:
        code, said = told("apply", folder, "-o", tmp_path / "out", "-t", 1, "--scheduler", cluster.address)
    what = "2 workers died while they worked on it, perhaps for lack of memory; give workers more memory, or look at their logs"
    assert (code, said) == (3, f"Error: {folder}/deadly_step_1.npz: {what}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["stats", "check"])
def test_a_small_dump_that_kills_workers(command: str, tmp_path: Path) -> None:
    """Of small dumps that share a task, the one that workers die of is named, and the others can be used."""
    (tmp_path / "mark").touch()
    folder = tmp_path / "in"
    folder.mkdir()
    for step in range(80):
        savez(folder / f"{'deadly_' * (step == 50)}step_{step}.npz", w=gradients(9_000, seed=step))
    with dask_cluster(tmp_path, *["dies"] * 5, deaths=1) as cluster:
        code, said = told(command, folder, "--keep-going", "--scheduler", cluster.address)
        assert sum(worker.poll() is not None for worker in cluster.workers) == 4  # two of the task, two of the dump
    what = f"1 of 80 dumps left out; the first: {folder}/deadly_step_50.npz: 2 workers died while they worked on it"
    assert (code, said.startswith(f"Error: {what}, ")) == (3, True), said


def test_errors_of_our_own(run: Path, tmp_path: Path, shared_cluster: DaskCluster) -> None:
    """A damaged dump is the same line as without a cluster, and can be left out."""
    for step in range(3):
        data = bytearray((run / f"step_{step}.npz").read_bytes())
        data[len(data) // 3] ^= step == 1
        (tmp_path / f"step_{step}.npz").write_bytes(data)
    code, said = told("stats", tmp_path)
    assert (code, "its CRC is wrong" in said) == (3, True)
    assert told("stats", tmp_path, "--scheduler", shared_cluster.address) == (code, said)
    report = gradclip_cli.check(tmp_path, keep_going=True, scheduler=shared_cluster.address)
    assert [error.path for error in report.failed] == [str(tmp_path / "step_1.npz")]


@pytest.fixture
def held(tmp_path: Path, run: Path) -> Iterator[tuple[DaskCluster, "subprocess.Popen[str]", Path]]:
    """A cluster whose workers wait, and a command that has sent them writes."""
    out = tmp_path / "out"
    with dask_cluster(tmp_path, "waits", "waits") as cluster:
        argv = ["apply", run, "-o", out, "-t", "0.01", "--scheduler", cluster.address]
        command = begun(*argv)
        wait_for(lambda: out.is_dir() and any(out.iterdir()))
        (tmp_path / "gate").touch()
        (tmp_path / "mark").unlink(missing_ok=True)
        wait_for(lambda: (tmp_path / "mark").exists() or command.poll() is not None)
        assert command.poll() is None
        yield cluster, command, out
        (tmp_path / "gate").unlink(missing_ok=True)
        command.kill()
        ended(command)


Held = tuple[DaskCluster, "subprocess.Popen[str]", Path]


def _tasks(cluster: DaskCluster) -> int:
    with cluster.client() as client:
        found: int = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        return found


def test_an_interrupt(held: Held) -> None:
    """Ctrl-C ends the command as always: nothing is left, and the scheduler drops what it had."""
    cluster, command, out = held
    command.send_signal(signal.SIGINT)
    assert ended(command)[0] == -signal.SIGINT  # 130 for a shell
    assert not out.exists()
    wait_for(lambda: _tasks(cluster) == 0)


def _holds_more(folder: Path, count: int) -> bool:
    return folder.is_dir() and len(os.listdir(folder)) > count


def test_an_interrupt_while_outputs_are_created(tmp_path: Path, shared_cluster: DaskCluster) -> None:
    """Ctrl-C while several threads create outputs leaves nothing, even if it comes twice."""
    run, out = tmp_path / "run", tmp_path / "out"
    run.mkdir()
    for step in range(200):
        savez(run / f"step_{step}.npz", b=gradients(9, seed=step))
    for begin in (0, 20, 40, 60):
        command = begun("apply", run, "-o", out, "-t", "0.01", "--scheduler", shared_cluster.address)
        wait_for(partial(_holds_more, out, begin))
        command.send_signal(signal.SIGINT)
        command.send_signal(signal.SIGINT)
        assert ended(command)[0] == -signal.SIGINT
        assert not out.exists()


def test_a_killed_client(held: Held, run: Path) -> None:
    """Temporary files of a client that was killed are removed by a later run, when they are a day old."""
    cluster, command, out = held
    command.kill()
    command.wait()
    left = [path for path in out.iterdir() if path.name.startswith(".gradclip-")]
    assert left
    assert sorted(left) == sorted(out.iterdir())
    for worker in cluster.workers:  # they may still be writing
        cluster.kill(worker)
    for path in left[1:]:
        os.utime(path, (0, 0))
    cluster.add("plain")
    assert told("apply", run, "-o", out, "-t", "0.01", "-q", "--scheduler", cluster.address)[0] == 0
    assert sorted(path.name for path in out.iterdir()) == [left[0].name, *(f"step_{k}.npz" for k in range(STEPS))]


def test_a_scheduler_that_ends(held: Held) -> None:
    """A scheduler that ends in the middle is one line, and nothing is written."""
    cluster, command, out = held
    cluster.kill(cluster.scheduler)
    code, said = ended(command)
    assert (code, said.count("\n")) == (5, 1), said
    assert f"the scheduler {cluster.address} has ended" in said
    assert not out.exists()


def test_no_distributed_for_local_work(run: Path) -> None:
    """Without a scheduler, nothing of Dask is imported."""
    script = "import sys, gradclip_cli; gradclip_cli.stats(sys.argv[1]); print('distributed' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script, run], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_nan_is_refused_before_anything_is_written(tmp_path: Path, shared_cluster: DaskCluster) -> None:
    """NaN is found by workers, and exit code 4 as always."""
    values = gradients(2_500_000)
    values[2_000_000] = np.nan
    savez(tmp_path / "g.npz", w=values)
    code, said = told(
        "apply", tmp_path / "g.npz", "-o", tmp_path / "o.npz", "-t", 1, "--scheduler", shared_cluster.address
    )
    assert (code, "w" in said) == (4, True)
    assert not (tmp_path / "o.npz").exists()
