"""What all tests share: no waiting for files just written, and a place for large ones."""

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from support.folders import memory_folder

from gradclip_cli.formats.sharing import one_call
from gradclip_cli.storage.random_access import InputFile

collect_ignore = ["gallery", "browser"]  # they import torch and playwright; `make gallery` and `make browser` run them

os.environ["AWS_EC2_METADATA_DISABLED"] = "true"  # no test looks for credentials outside this machine
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:  # as behind `nohup`; what tests start would ignore it, too
        signal.signal(number, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples only in modules whose text has one: to search every test for docstrings takes seconds."""
    found = yield
    if file_path.suffix != ".py" or ">>> " in file_path.read_text(encoding="utf-8"):
        return found
    return [one for one in found if type(one) is pytest.Module]


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what was collected: thousands of tests that all stay to the end."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def unhurried() -> Iterator[None]:
    """Read files that were written this very moment without waiting for the clock's next tick: no test writes to them again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InputFile, "tick_ns", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep away from the cache of the user: examples show it and clear it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_child() -> Iterator[None]:
    """Keep what a call starts for the first HDF5 file from test to test."""
    with one_call():
        yield


@pytest.fixture
def roomy() -> Iterator[Path]:
    """Provide a folder for large files: in memory, where the system has a place for that."""
    with memory_folder() as folder:
        yield folder
