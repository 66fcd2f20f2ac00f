"""What all tests share: a place for large files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Path]:
    """Provide a folder for large files: in memory, where the system has a place for that."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="gradclip-test-") as folder:
        yield Path(folder)
