"""A cluster of two workers that all tests of this folder share, and executors that send it everything that can be sent."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from gradclip_cli import tensors
from gradclip_cli.engine.executors import cluster as executor

if TYPE_CHECKING:
    from support.dask_cluster import DaskCluster

collect_ignore_glob = [] if find_spec("distributed") else ["test_*.py"]  # they import it


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[DaskCluster]":
    """A cluster of two workers."""
    from support.dask_cluster import dask_cluster

    with dask_cluster(tmp_path_factory.mktemp("dask"), "one", "two") as cluster:
        yield cluster


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send whatever can be sent, in small batches of small pieces."""
    for name, value in (("LEAST_MAP", 1), ("LEAST_BATCH", 1 << 16), ("MOST_BATCH", 1 << 17), ("_LESS_TASK", 1)):
        monkeypatch.setattr(executor, name, value)
    monkeypatch.setattr(tensors, "PIECE_BYTES", 1 << 16)
