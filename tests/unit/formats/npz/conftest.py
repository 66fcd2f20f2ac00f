"""Where the tests of npz write."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its archive."""
    return tmp_path / "a.npz"
