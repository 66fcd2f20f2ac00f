"""A file that the tests of safetensors read."""

from pathlib import Path

import pytest
from safetensors.numpy import save_file

from unit.formats.safetensors.made import CODES, array_of


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A file with every dtype, metadata, and names that are not sorted."""
    path = tmp_path / "sample.safetensors"
    save_file(
        {f"z.{k}.{dtype}": array_of(dtype, (2, 3)) for k, dtype in enumerate(CODES)},
        path,
        {"format": "pt", "note": "ü"},
    )
    return path
