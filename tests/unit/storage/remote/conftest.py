"""A server for each test of what is remote."""

from collections.abc import Iterator

import pytest

pytest.importorskip("obstore")

from support.servers.objects import Objects
from support.servers.surroundings import hurried_server


@pytest.fixture
def server() -> Iterator[Objects]:
    """A server of S3, of Google's storage, of the hub's files and of plain ones."""
    with hurried_server() as found:
        yield found
