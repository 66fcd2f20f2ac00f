"""An output that was captured says that it is clipped now."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from gradclip_cli.errors import OutputError
from gradclip_cli.formats.safetensors.writer import mark_clipped


@pytest.mark.parametrize(
    ("stage", "after"), [("before-clip", "after-clip"), ("scaled", "scaled"), ("after-clip", "after-clip")]
)
def test_the_stage_changes_in_place(stage: str, after: str, tmp_path: Path) -> None:
    """The size of the file and its tensors stay as they are; gradients that are still scaled stay so."""
    path = tmp_path / "g.safetensors"
    save_file({"w": np.arange(3.0)}, path, {"stage": stage, "step": "7"})
    size = path.stat().st_size
    with path.open("r+b") as file:
        mark_clipped(file.fileno(), str(path))
    with safe_open(path, "np") as found:
        assert found.metadata() == {"stage": after, "step": "7"}
        assert found.get_tensor("w").tolist() == [0.0, 1.0, 2.0]
    assert path.stat().st_size == size


def test_an_output_that_cannot_be_read_is_told() -> None:
    """A descriptor that is for writing only cannot be marked."""
    fd = os.open(os.devnull, os.O_WRONLY)
    try:
        with pytest.raises(OutputError):
            mark_clipped(fd, "out")
    finally:
        os.close(fd)
