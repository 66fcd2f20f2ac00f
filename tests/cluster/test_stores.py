"""Workers of a cluster read URLs by themselves, with the keys of their own environment."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from laws.everywhere import digest, page_digest
from safetensors.numpy import load, save
from support.dask_cluster import DaskCluster, dask_cluster
from support.servers.objects import Objects
from support.servers.surroundings import hurried_server

import gradclip_cli
from gradclip_cli.engine.executors.dask import DaskOrder, DaskScheduler
from gradclip_cli.engine.executors.orders import Order
from gradclip_cli.errors import InputError

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("eager")]


@pytest.fixture(scope="module")
def server() -> Iterator[Objects]:
    """A server with a run of three steps."""
    with hurried_server() as found:
        for step in range(3):
            arrays = np.random.default_rng(step).normal(size=(5, 40_000)).astype(np.float32)
            found.of[f"bkt/run/step_{step}.safetensors"] = save({f"l{k}.w": row for k, row in enumerate(arrays)})
        yield found


@pytest.fixture(scope="module")
def cluster(server: Objects, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers that have another key than the client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "worker")
        found = dask_cluster(tmp_path_factory.mktemp("dask"), "one", "two")
        with found as cluster:
            patch.undo()
            yield cluster


def signers(server: Objects) -> set[str]:
    """Who has signed requests."""
    found = {one.headers["authorization"].partition("Credential=")[2].partition("/")[0] for one in server.asked}
    server.asked.clear()
    return found


def test_workers_read_by_themselves(server: Objects, cluster: DaskCluster) -> None:
    """Every report is that of one machine, and the client reads heads only."""
    asked: list[Callable[..., object]] = [
        lambda **told: digest(gradclip_cli.stats("s3://bkt/run", **told)),
        lambda **told: digest(gradclip_cli.check("s3://bkt/run", **told)),
        lambda **told: page_digest(gradclip_cli.report("s3://bkt/run", **told)),
    ]
    for found in asked:
        here = found()
        assert signers(server) == {"known"}
        assert found(scheduler=cluster.address, connections=4) == here
        client = sum(one.nbytes for one in server.asked if "Credential=known/" in one.headers["authorization"])
        assert client < sum(map(len, server.of.values())) / 10, client
        assert signers(server) == {"known", "worker"}


@pytest.mark.parametrize("output", ["s3://bkt/out", "folder"])
def test_outputs(server: Objects, cluster: DaskCluster, tmp_path: Path, output: str) -> None:
    """Outputs are the same bytes, in a store, to which workers send them, too, and in a folder that they share."""
    found = {}
    for name, scheduler in (("here", None), ("there", cluster.address)):
        target = f"{output}-{name}" if "://" in output else str(tmp_path / name)
        gradclip_cli.apply("s3://bkt/run", target, threshold=1.0, scheduler=scheduler)
        if "://" in output:
            found[name] = {key.rpartition("/")[2]: data for key, data in server.of.items() if f"out-{name}/" in key}
        else:
            found[name] = {path.name: path.read_bytes() for path in Path(target).iterdir()}
    assert found["here"] == found["there"]
    assert len(found["there"]) == 3
    assert load(found["there"]["step_0.safetensors"]).keys() == {f"l{k}.w" for k in range(5)}


def test_an_error_names_the_worker(server: Objects, cluster: DaskCluster) -> None:
    """Where a worker may not read what the client may, the line says which worker was refused."""
    server.wrong = lambda asked: "403" if "Credential=worker/" in asked.headers["authorization"] else ""
    with pytest.raises(InputError, match=r"may not be read \(403\).*said to worker tcp://"):
        gradclip_cli.stats("s3://bkt/run", scheduler=cluster.address)
    server.wrong = lambda asked: ""


def test_secrets_stay(server: Objects, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """No order holds a key."""
    orders, real = list[bytes](), DaskScheduler.send

    def send(self: DaskScheduler, order: Order, only: Iterable[str] | None) -> DaskOrder:
        orders.append(pickle.dumps(order))
        return real(self, order, only)

    monkeypatch.setattr(DaskScheduler, "send", send)
    gradclip_cli.stats("s3://bkt/run", scheduler=cluster.address)
    assert orders
    assert not any(key in order for order in orders for key in (b"unspoken", b"known"))
