"""Files that the tests of HDF5 read."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gradclip_cli.formats.hdf5 import limits, link
from gradclip_cli.formats.hdf5.child import Child, SharedChild
from gradclip_cli.formats.hdf5.messages import Message
from gradclip_cli.formats.sharing import Calls
from unit.formats.hdf5.made import PACKED, numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "a.h5"


@pytest.fixture
def sample(path: Path) -> Path:
    """A file with layers, attributes, links, an empty group, texts and all kinds of storage."""
    with h5py.File(path, "w") as file:
        file.attrs["backend"] = "jax"
        for name, storage in PACKED.items():
            file.create_dataset(f"{name}/kernel", data=numbers(), **storage)
        file["chunked/kernel"].attrs["unit"] = [1.5, 2.5]
        file["chunked"].attrs["name"] = "my_layer"
        file.create_group("nothing")
        file["scalar"] = np.float32(2.5)
        file["vector"] = h5py.Empty("f4")
        file["words"] = "hello"
        file["steps"] = np.arange(5)
        file["soft"] = h5py.SoftLink("/gzip/kernel")
        file["broken"] = h5py.SoftLink("/not/there")
        file["zz/hard"] = file["chunked/kernel"]
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many requests of each kind are sent to children during a test."""
    found: Counter[str] = Counter()
    ask = Child.ask

    def counted(self: Child, request: str, *arguments: Any) -> Message:
        found[request] += 1
        return ask(self, request, *arguments)

    monkeypatch.setattr(Child, "ask", counted)
    return found


@contextmanager
def served_by(service: str) -> Iterator[None]:
    """Let a service of a test answer the requests about files, in children of its own."""
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls()
        calls.join()
        patch.setattr(link, "shared", SharedChild(calls, lambda: Child(service)))
        yield
        calls.leave()


@pytest.fixture
def harm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let children do what the names of datasets say, and give them one second of processor time."""
    monkeypatch.setattr(limits, "_SECONDS", 1)
    with served_by("unit.formats.hdf5.deadly:start"):
        yield


@pytest.fixture
def misbehaving() -> Iterator[None]:
    """Let children misbehave as they are told."""
    with served_by("unit.formats.hdf5.misbehaving:start"):
        yield
