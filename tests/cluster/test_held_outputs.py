"""Workers write outputs for a store and send them; the client has them shown together. Whatever happens, no part of others is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.test_elsewhere import MAKERS, OPTIONS, STRATEGIES, tensors
from safetensors.numpy import save
from support.dask_cluster import DaskCluster, dask_cluster
from support.matrices import crossed
from support.servers.objects import Asked, Objects
from support.servers.surroundings import hurried_server
from support.waiting import wait_for

import gradclip_cli
from gradclip_cli.commands.apply import elsewhere
from gradclip_cli.commands.apply.elsewhere import Elsewhere
from gradclip_cli.errors import OutputError
from gradclip_cli.storage.remote.objects import objects

pytestmark = pytest.mark.remote

STEPS = 3
ELEMENTS = 3_500_000
"""So many that a dump takes 14 MB: two parts."""
NAMES = [f"step_{step}.safetensors" for step in range(STEPS)]


@pytest.fixture(scope="module")
def served() -> Iterator[Objects]:
    """A server with a run."""
    with hurried_server() as found:
        for step, name in enumerate(NAMES):
            values = np.random.default_rng(step).normal(size=ELEMENTS).astype(np.float32)
            found.of[f"bkt/run/{name}"] = save({"w": values, "b": values[:9]})
        yield found


@pytest.fixture
def server(served: Objects) -> Iterator[Objects]:
    """The server, which does nothing wrong in the beginning and in the end, and has no outputs yet."""
    served.asked.clear()
    served.released.clear()
    objects().forget()  # what tests before this one have left, and taken away
    yield served
    served.wrong = lambda asked: ""
    served.released.set()
    wait_for(lambda: not served.uploads)
    for name in [name for name in served.of if not name.startswith("bkt/run/")]:
        del served.of[name]


@contextmanager
def working(folder: Path, *workers: str, key: str = "worker") -> Iterator[DaskCluster]:
    """A cluster whose workers have another key than the client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key)
        with dask_cluster(folder, *workers) as found:
            patch.undo()
            yield found


@pytest.fixture(scope="module")
def cluster(served: Objects, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers."""
    with working(tmp_path_factory.mktemp("dask"), "one", "two") as found:
        yield found


def outputs(server: Objects, folder: str = "out") -> dict[str, bytes]:
    """The outputs that can be seen, by their names."""
    start = f"bkt/{folder}/"
    return {name.removeprefix(start): data for name, data in server.of.items() if name.startswith(start)}


def asked_by(server: Objects, key: str) -> list[Asked]:
    """The requests that were signed by this key."""
    return [one for one in server.asked if f"Credential={key}/" in one.headers["authorization"]]


def apply(
    cluster: DaskCluster | None, source: Any = "s3://bkt/run", out: str | None = "s3://bkt/out", **told: Any
) -> Any:
    """Clip the run."""
    scheduler = cluster.address if cluster is not None else None
    return gradclip_cli.apply(source, out, scheduler=scheduler, **{"threshold": 1.0, **told})


@pytest.fixture
def expected(server: Objects) -> Mapping[str, bytes]:
    """The outputs of one machine."""
    apply(None, out="s3://bkt/here")
    server.asked.clear()
    return outputs(server, "here")


def during(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Do something when all outputs are sent, before any of them is shown."""
    real = Elsewhere.settle

    def settle(self: Elsewhere) -> None:
        do()
        real(self)

    monkeypatch.setattr(Elsewhere, "settle", settle)


def test_workers_send_and_the_client_shows(
    server: Objects, cluster: DaskCluster, expected: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs are the same bytes, of which none passes the client; none is seen before all are sent, and no part is left."""
    seen = list[tuple[int, int]]()
    during(monkeypatch, lambda: seen.append((len(outputs(server)), len(server.uploads))))
    report = apply(cluster)
    assert outputs(server) == expected
    assert seen == [(0, STEPS)]
    assert server.uploads == {}
    assert (report.files_written, report.bytes_written) == (STEPS, sum(map(len, expected.values())))
    assert sum(one.nbytes for one in asked_by(server, "known")) < 10_000
    assert sum(one.nbytes for one in asked_by(server, "worker")) > sum(map(len, expected.values()))
    assert {one.query.get("partNumber") is not None for one in server.asked if one.method == "PUT"} == {True}
    assert [dump.norm for dump in gradclip_cli.stats("s3://bkt/out").dumps] == [
        pytest.approx(1.0, rel=1e-5) for _ in range(STEPS)
    ]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("name", "suffix", "strategy", "options"),
    [cell for cell in crossed(tuple(MAKERS), (".safetensors", ".h5", ".npz"), STRATEGIES, OPTIONS) if not cell.marks],
    ids=str,
)
def test_formats(
    name: str,
    suffix: str,
    strategy: dict[str, Any],
    options: dict[str, Any],
    server: Objects,
    cluster: DaskCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every format is written into every other, packed or not, from a folder that all share, named from the working directory."""
    MAKERS[name](tmp_path / name, tensors(0))
    monkeypatch.chdir(tmp_path)
    told = {**strategy, **options, "void_dtype": "bfloat16", "threshold": strategy.get("threshold")}
    told |= {"weights": name} if strategy["strategy"] == "agc" else {}
    apply(None, name, f"s3://bkt/here/g{suffix}", **told)
    server.asked.clear()
    apply(cluster, name, f"s3://bkt/out/g{suffix}", **told)
    assert outputs(server) == outputs(server, "here")
    assert [one.nbytes for one in asked_by(server, "known") if one.method == "PUT"] == []


def test_shards_are_there_before_their_index(
    server: Objects, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of one dump are sent by several workers; the client writes the index, which is seen last."""
    files = {f"model-{k}.safetensors": f"l{k}.w" for k in range(4)}
    for k, (name, tensor) in enumerate(files.items()):
        server.of[f"bkt/sharded/{name}"] = save({tensor: np.random.default_rng(k).normal(size=ELEMENTS)})
    weights = ",".join(f'"{tensor}":"{name}"' for name, tensor in files.items())
    server.of["bkt/sharded/model.safetensors.index.json"] = f'{{"metadata":{{}},"weight_map":{{{weights}}}}}'.encode()
    source = "s3://bkt/sharded/model.safetensors.index.json"
    apply(None, source, "s3://bkt/here")
    server.asked.clear()
    apply(cluster, source)
    assert outputs(server) == outputs(server, "here")
    shown = [one.name.rpartition("/")[2] for one in server.asked if _shows(one)]
    assert (sorted(shown[:4]), shown[4:]) == (sorted(files), ["model.safetensors.index.json"])
    assert sum(one.nbytes for one in asked_by(server, "known")) < 1000


def _shows(asked: Asked) -> bool:
    """Whether a request makes an object visible."""
    return "uploadId" in asked.query if asked.method == "POST" else asked.method == "PUT" and not asked.query


@pytest.mark.parametrize(("step", "in_place"), [("uploads", 0), ("uploadId", 1)])
def test_an_output_that_fails(server: Objects, cluster: DaskCluster, step: str, in_place: int) -> None:
    """The error names the output and the worker, and what is in place if that is refused which shows it; no part is left."""
    server.wrong = lambda asked: (
        "403" if "out/step_1" in asked.name and (asked.method, step) == ("POST", *asked.query) else ""
    )
    with pytest.raises(OutputError, match=r"may not be written \(403\).*said to worker tcp://") as caught:
        apply(cluster)
    assert caught.value.path == "s3://bkt/out/step_1.safetensors"
    assert (f"; {in_place} of 3 outputs are in place" in str(caught.value)) == bool(in_place)
    assert list(outputs(server)) == NAMES[:in_place]
    wait_for(lambda: not server.uploads)


def test_an_object_that_has_come_meanwhile(
    server: Objects, cluster: DaskCluster, expected: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody else has written meanwhile is not replaced, unless that was asked for; the error says what is in place."""
    during(monkeypatch, lambda: server.of.update({"bkt/out/step_1.safetensors": b"theirs"}))
    with pytest.raises(OutputError, match=r"exists; give --overwrite.*; 1 of 3 outputs are in place: .*step_0"):
        apply(cluster)
    assert outputs(server) == {NAMES[0]: expected[NAMES[0]], NAMES[1]: b"theirs"}
    assert server.uploads == {}
    apply(cluster, overwrite=True)
    assert outputs(server) == expected


def test_a_worker_that_is_lost_before_outputs_are_shown(
    server: Objects, expected: Mapping[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed worker had sent is sent again by another one, and what it had sent is dropped."""
    with working(tmp_path, "one", "two") as cluster:
        during(monkeypatch, lambda: cluster.kill(cluster.workers[0]))
        apply(cluster)
        assert outputs(server) == expected
        wait_for(lambda: not server.uploads)
        assert sum("uploads" in one.query for one in server.asked) > STEPS


def test_a_worker_that_is_lost_while_outputs_are_shown(
    server: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which outputs are in place, and that the one in question may be; nothing else is left."""
    real, shown = Elsewhere._show, list[object]()
    with working(tmp_path, "one", "two") as cluster:
        with cluster.client() as client:
            pids = client.run(os.getpid)

        def show(self: Elsewhere, token: Any) -> None:
            shown.append(token)
            if len(shown) == 2:
                (worker,) = [one for one in cluster.workers if one.pid == pids[self._at[token]]]
                cluster.kill(worker)
            real(self, token)

        monkeypatch.setattr(Elsewhere, "_show", show)
        with pytest.raises(
            OutputError, match=r"was lost while it put it in place.*; 1 of 3 outputs are in place: .*step_0"
        ):
            apply(cluster)
        assert list(outputs(server)) == NAMES[:1]
        wait_for(lambda: not server.uploads)


@contextmanager
def begun(cluster: DaskCluster, server: Objects) -> "Iterator[subprocess.Popen[str]]":
    """Start the command, and wait until all outputs are sent but one, whose first request stalls."""
    uploads = set[str]()

    def wrong(asked: Asked) -> str:
        if "uploads" in asked.query:
            uploads.add(asked.name)
        return "stall" if len(uploads) == STEPS and "uploads" in asked.query else ""

    server.wrong = wrong
    told = ["apply", "s3://bkt/run", "-o", "s3://bkt/out", "-t", "1", "--scheduler", cluster.address]
    with subprocess.Popen([sys.executable, "-m", "gradclip_cli", *told], stderr=subprocess.PIPE, text=True) as command:
        wait_for(lambda: (len(uploads) == STEPS and _sent(server) == STEPS - 1) or command.poll() is not None)
        assert command.poll() is None, command.communicate()
        yield command


def _sent(server: Objects) -> int:
    """How many outputs are in the server with both of their parts."""
    return sum(len(parts) == 2 for _, parts in tuple(server.uploads.values()))


def test_an_interrupt(server: Objects, cluster: DaskCluster) -> None:
    """Ctrl-C drops what workers have sent, and what they are about to send, at once."""
    with begun(cluster, server) as command:
        command.send_signal(signal.SIGINT)
        server.released.set()
        assert command.wait(60) == -signal.SIGINT
    wait_for(lambda: not server.uploads, 10)
    assert outputs(server) == {}


def test_a_killed_client(server: Objects, tmp_path: Path) -> None:
    """What a client had sent that is killed is dropped when it has not been asked after for the time of a lease."""
    with working(tmp_path, "brief", "brief") as cluster:
        with begun(cluster, server) as command:
            command.kill()
            command.wait()
        assert len(server.uploads) == STEPS - 1
        server.released.set()
        wait_for(lambda: not server.uploads)
    assert outputs(server) == {}


def test_a_full_disk(server: Objects, tmp_path: Path) -> None:
    """No room for temporary files on a worker is exit code 5, with the output, the worker and the directory."""
    with working(tmp_path, "full") as cluster, pytest.raises(OutputError) as caught:
        apply(cluster)
    line = str(caught.value)
    assert line.startswith(
        "s3://bkt/out/step_0.safetensors: file too large in the directory for temporary files; name a"
    )
    assert "(on worker tcp://127.0.0.1:" in line
    assert f"where that is {os.environ.get('TMPDIR', '/tmp')})" in line
    assert (outputs(server), server.uploads) == ({}, {})


def test_a_worker_without_credentials(server: Objects, tmp_path: Path) -> None:
    """A worker that has no credentials is one line that names it."""
    for name in NAMES:
        (tmp_path / name).write_bytes(server.of[f"bkt/run/{name}"])
    with (
        working(tmp_path, "one", key="") as cluster,
        pytest.raises(OutputError, match="no credentials were found; set AWS_ACCESS_KEY_ID") as caught,
    ):
        apply(cluster, [tmp_path / name for name in NAMES])
    assert "worker tcp://127.0.0.1:" in str(caught.value)
    assert outputs(server) == {}


def test_what_is_asked_after_is_held(
    server: Objects, expected: Mapping[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that takes longer than a lease asks after its outputs, so that nothing has to be sent again."""
    monkeypatch.setattr(elsewhere, "LEASE", 3.0)
    during(monkeypatch, lambda: time.sleep(7.0))  # more than the lease of these workers, which is 5
    with working(tmp_path, "brief") as cluster:
        apply(cluster)
    assert outputs(server) == expected
    assert sum("uploads" in one.query for one in server.asked) == STEPS


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("told", [{"in_place": True}, {"along": 0}, {"accumulate": "mean"}], ids=str)
def test_other_ways(server: Objects, cluster: DaskCluster, told: dict[str, Any]) -> None:
    """What is replaced, has slices that are dumps, or is the mean of several files is the same as on one machine."""
    for way in ("here", "there"):
        one = "step_1_micro_" if "accumulate" in told else "step_"
        names = [f"s3://bkt/{way}/in/{one}{k}.safetensors" for k in range(3)]
        for k, name in enumerate(names):
            values = np.random.default_rng(k).normal(size=(4, 30_000)).astype(np.float32)
            server.of[name.removeprefix("s3://")] = save({"w": values, "v": values[:, :7]})
        out = None if "in_place" in told else f"s3://bkt/{way}/out" + ".npz" * ("accumulate" in told)
        server.asked.clear()
        apply(cluster if way == "there" else None, names, out, **told)
    assert outputs(server, "there") == outputs(server, "here")
    assert len(outputs(server, "here")) > 3 or "in_place" in told
    assert [one.nbytes for one in asked_by(server, "known") if one.method in ("PUT", "POST")] == []


def test_what_a_store_refuses_to_drop(server: Objects, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads of which the store may have kept parts are named."""

    def fail() -> None:
        server.wrong = lambda asked: "403" if asked.method == "DELETE" else ""
        raise OutputError("there is no room", path="x")

    during(monkeypatch, fail)
    with pytest.raises(
        OutputError, match=r"no room; the store may have kept parts of the upload to s3://bkt/out/step_0"
    ):
        apply(cluster)
    server.uploads.clear()
