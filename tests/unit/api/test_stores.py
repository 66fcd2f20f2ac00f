"""Functions take how remote files are asked for, and a store that has credentials of its own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

pytest.importorskip("obstore")

from obstore.store import AzureStore, GCSStore, HTTPStore, MemoryStore, S3Store
from support.servers.objects import Objects
from support.servers.surroundings import hurried_server

import gradclip_cli
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.storage.remote.own_stores import own_store
from gradclip_cli.storage.remote.settings import Settings, current, using

DUMP = save({"w": np.array([3, 4], np.float32)})
FUNCTIONS = ("apply", "check", "diff", "ls", "report", "show", "stats")


@pytest.fixture
def server() -> Iterator[Objects]:
    """A server with a run."""
    with hurried_server() as found:
        found.of |= {"bkt/run/step_1.safetensors": DUMP, "bkt/run/step_2.safetensors": DUMP}
        yield found


def mine(server: Objects, **told: Any) -> S3Store:
    """A store with another key than that of the environment."""
    told = {"access_key_id": "mine", "secret_access_key": "unspoken", "region": "us-east-1"} | told
    return S3Store("bkt", endpoint=server.url, client_options={"allow_http": True}, **told)


@asks_stores
def asked(*inputs: str, **stores: Any) -> Settings:
    """Return what a function is told."""
    return current()


def test_keywords_hold_for_the_call() -> None:
    """What is said holds inside, what is left out is as for the call around it, and nothing holds afterwards."""
    with using(Settings(connections=3, pause=0.5)):
        assert asked("x", timeout=5.0) == Settings(3, False, 5.0, 0.5)
        assert asked("x") == current() == Settings(connections=3, pause=0.5)
    assert current() == Settings()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_lists_them(name: str) -> None:
    """help() shows the keywords of all functions that read files, with their defaults."""
    found = signature(getattr(gradclip_cli, name)).parameters
    assert found.keys() >= StoreKeywords.__annotations__.keys()
    assert "stores" not in found
    assert found["connections"].default == Settings().connections
    with pytest.raises(UsageError, match="connections must be a whole number"):
        getattr(gradclip_cli, name)("nowhere", *(["b"] if name == "diff" else []), connections="many")


def test_a_store_of_the_caller(server: Objects) -> None:
    """All requests for its bucket have its key; afterwards the environment has its own again."""
    found = gradclip_cli.stats("s3://bkt/run", store=mine(server))
    assert [row.norm for row in found.dumps] == [5.0, 5.0]
    assert server.asked
    assert all("Credential=mine/" in one.headers["authorization"] for one in server.asked)
    gradclip_cli.ls("s3://bkt/run/step_1.safetensors")
    assert "Credential=known/" in server.asked[-1].headers["authorization"]


def test_who_may_not_see_it_hears_of_nothing(server: Objects) -> None:
    """What one store was told is not kept for another."""
    server.wrong = lambda one: "" if "mine" in one.headers.get("authorization", "") else "403"
    gradclip_cli.stats("s3://bkt/run", store=mine(server))
    with pytest.raises(InputError, match="403"):
        gradclip_cli.stats("s3://bkt/run")


@pytest.mark.parametrize(
    ("store", "told", "line"),
    [
        (S3Store("other", region="us-east-1", skip_signature=True), {}, "is that of s3://other, and no URL is on it"),
        (S3Store("bkt", prefix="run", region="us-east-1", skip_signature=True), {}, "has a prefix"),
        (HTTPStore("https://h/a"), {}, "has a path"),
        (MemoryStore(), {}, "store must be"),
        (S3Store("bkt", region="us-east-1", skip_signature=True), {"scheduler": "tcp://h:1"}, "exclude each other"),
    ],
)
def test_a_store_that_is_of_no_use_is_refused(store: Any, told: dict[str, Any], line: str) -> None:
    """A store for none of the inputs is an error, as is one for workers, which would have to be told its secrets."""
    with pytest.raises(UsageError, match=line):
        gradclip_cli.stats(["s3://bkt/run"], store=store, **told)


@pytest.mark.parametrize(
    ("store", "url", "root"),
    [
        (S3Store("b", region="us-east-1", skip_signature=True), "S3://b/x", "s3://b"),
        (GCSStore("b", skip_signature=True), "gs://b/x", "gs://b"),
        (AzureStore("b", account_name="a", skip_signature=True), "az://b/x", "az://b"),
        (HTTPStore("https://h:1"), "https://h:1/x", "https://h:1"),
    ],
)
def test_what_a_store_is_for(store: Any, url: str, root: str) -> None:
    """A store is for the URLs of its bucket, container or server."""
    assert own_store(store, ["x", url]).root == root


def test_two_stores_for_one_bucket_at_a_time() -> None:
    """A second store for the same files is refused while the first is in use."""
    first, second = (own_store(S3Store("b", region="us-east-1", skip_signature=True), ["s3://b/x"]) for _ in "ab")
    with (
        using(Settings(store=first)),
        pytest.raises(UsageError, match="another store for s3://b"),
        using(Settings(store=second)),
    ):
        pass


def test_calls_in_threads_are_told_different_things(server: Objects) -> None:
    """Of two calls at a time, each asks as it was told, in all threads that work for it."""
    large = save({f"w{k}": np.ones(1 << 16, np.float32) for k in range(8)})
    buckets = {"signed": False, "open": True}
    server.of |= {f"{bucket}/run/step_{k}.safetensors": large for bucket in buckets for k in range(12)}
    server.latency = 0.001

    def look(bucket: str) -> int:
        return len(gradclip_cli.stats(f"s3://{bucket}/run", anonymous=buckets[bucket], jobs=2).dumps)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(look, buckets)) == [12, 12]
    asked = [(one.name.partition("/")[0], "authorization" not in one.headers) for one in server.asked]
    assert set(asked) == set(buckets.items())


def test_calls_in_threads_may_share_a_store(server: Objects) -> None:
    """Two calls at a time may be given one store for the same bucket."""
    store, server.latency = mine(server), 0.005
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: gradclip_cli.stats("s3://bkt/run", store=store), "ab"))
    assert [len(report.dumps) for report in found] == [2, 2]
